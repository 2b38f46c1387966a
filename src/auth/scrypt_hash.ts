/**
 * Password hashes of embedded users: scrypt (RFC 7914) in the PHC string format,
 * `$scrypt$ln=15,r=8,p=1$<salt>$<hash>` with base64 without padding.
 *
 * @module
 */
import { randomBytes, scrypt } from "node:crypto";
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { decodeBase64, encodeBase64 } from "../bytes/base64.ts";
import { decodeLatin1, encodeLatin1 } from "../bytes/latin1.ts";

/** A parsed hash. */
export interface ScryptHash {
  /** Binary logarithm of the cost parameter N. */
  readonly ln: number;
  /** Block size parameter. */
  readonly r: number;
  /** Parallelization parameter. */
  readonly p: number;
  readonly salt: Uint8Array;
  readonly hash: Uint8Array;
}

/** Memory one check may take, in octets: 128 * N * r of it are for the cost parameters. */
export const maxScryptMemory = 256 * 1024 * 1024;

/** Costs of new hashes: 32 MiB and about 100 ms of one core. */
const defaultCosts = { ln: 15, r: 8, p: 1 } as const;
const saltOctets = 16;
const hashOctets = 32;
const maxParallelization = 16;

/** Hashes a password, given as octets, with a random salt. */
export async function hashPassword(password: Uint8Array): Promise<string> {
  const salt = new Uint8Array(randomBytes(saltOctets));
  const hash = await derive(password, salt, defaultCosts, hashOctets);
  const { ln, r, p } = defaultCosts;
  return `$scrypt$ln=${ln},r=${r},p=${p}$${encodeUnpadded(salt)}$${encodeUnpadded(hash)}`;
}

/** Reads a hash. Null when it is malformed, weaker than any use, or would take more than {@linkcode maxScryptMemory}. */
export function parseScryptHash(text: string): ScryptHash | null {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
    text,
  );
  if (match === null) return null;
  const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const salt = decodeBase64(match[4] ?? "");
  const hash = decodeBase64(match[5] ?? "");
  if (salt === null || hash === null) return null;
  const fits = ln >= 1 && r >= 1 && p >= 1 && p <= maxParallelization &&
    128 * 2 ** ln * r <= maxScryptMemory &&
    salt.length >= 8 && salt.length <= 64 && hash.length >= 16 && hash.length <= 64;
  return fits ? { ln, r, p, salt: encodeLatin1(salt), hash: encodeLatin1(hash) } : null;
}

/** Whether `password` is the one that was hashed. The work is done off the main thread. */
export async function verifyPassword(hash: ScryptHash, password: Uint8Array): Promise<boolean> {
  return timingSafeEqual(await derive(password, hash.salt, hash, hash.hash.length), hash.hash);
}

function derive(
  password: Uint8Array,
  salt: Uint8Array,
  costs: { readonly ln: number; readonly r: number; readonly p: number },
  octets: number,
): Promise<Uint8Array> {
  const { r, p } = costs;
  const N = 2 ** costs.ln;
  // What OpenSSL counts against the limit: the blocks of all lanes besides the table.
  const maxmem = 128 * r * (N + p + 2) + 1024;
  return new Promise((resolve, reject) => {
    scrypt(password, salt, octets, { N, r, p, maxmem }, (error, key) => {
      if (error) reject(error);
      else resolve(new Uint8Array(key));
    });
  });
}

function encodeUnpadded(bytes: Uint8Array): string {
  return encodeBase64(decodeLatin1(bytes)).replace(/=+$/, "");
}
