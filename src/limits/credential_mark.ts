import { createHmac, randomBytes } from "node:crypto";

const MARK_OCTETS = 12;

/** A key for {@linkcode credentialMark}, which lives as long as the process. */
export function newMarkKey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

/**
 * What stands for credentials where failed logins are told apart: without `key`, which is nowhere but in the memory
 * of this process, nobody can try passwords on it.
 */
export function credentialMark(key: Uint8Array): (user: string, secret: string) => string {
  return (user, secret) =>
    createHmac("sha256", key).update(`${user.length} ${user}${secret}`, "latin1").digest().subarray(
      0,
      MARK_OCTETS,
    ).toString("base64");
}
