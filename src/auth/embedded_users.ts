import { createHash, createHmac } from "node:crypto";
import { encodeLatin1 } from "../bytes/latin1.ts";
import type { AuthAnswer, AuthBackend, AuthQuestion, UpstreamChoices } from "../ports/auth_backend.ts";
import type { EndSignal } from "../ports/end_signal.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { Permits } from "./permits.ts";
import { parseScryptHash, type ScryptHash, verifyPassword } from "./scrypt_hash.ts";

/** One entry of `users`. */
export interface EmbeddedUser {
  /** Login as a byte string. */
  readonly name: string;
  /** As `hashPassword` writes it. */
  readonly password_hash: string;
  /** At least one, in the order in which they are to be tried. */
  readonly upstream: readonly SocketAddress[];
}

interface KnownUser {
  readonly hash: ScryptHash;
  readonly upstreams: readonly [SocketAddress, ...SocketAddress[]];
}

/** Checks at a time, for a server in one worker: each takes a core for a while and up to 256 MiB. */
const maxChecks = 4;
/** Checks that wait for one of those; about half a minute's work. */
const maxWaitingChecks = 1024;
/** Delay of a refused password, so that guessing is slow. */
const refusalWaitMs = 2_000;

const configuredChoices: UpstreamChoices = { tls: null, auth: null, xclient: null, proxyProtocol: null };

/**
 * Answers from the users in the configuration, without a service. An unknown user costs the time of a wrong
 * password: the password is then checked against another user's hash, always the same one for the same name, so
 * that time tells nothing even where users have different costs.
 */
export class EmbeddedUsers implements AuthBackend {
  readonly #users: ReadonlyMap<string, KnownUser>;
  readonly #decoys: readonly KnownUser[];
  /** As secret as the configuration, and the same in every worker. */
  readonly #decoyKey: Uint8Array;
  readonly #checks = new Permits(maxChecks, maxWaitingChecks);

  /** @throws {TypeError} when there is no user, or a hash is malformed. */
  constructor(users: readonly EmbeddedUser[]) {
    if (users.length === 0) {
      throw new TypeError("Cannot create embedded users: expected at least one, got none");
    }
    this.#users = new Map(users.map((user) => [user.name, parseUser(user)]));
    this.#decoys = [...this.#users.values()];
    const hashes = users.map(({ password_hash }) => password_hash);
    this.#decoyKey = createHash("sha256").update(hashes.join("\n")).digest();
  }

  async ask(question: AuthQuestion, signal: EndSignal): Promise<AuthAnswer> {
    if (question.method === "none") return refusal("530 5.7.1", "Authentication required", null);
    if (question.method !== "plain") {
      return refusal("504 5.5.4", "Authentication mechanism not available", null);
    }
    if (!(await this.#checks.take(signal))) return this.#unavailable(signal);
    try {
      return await this.#check(question);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      return { kind: "failed", code: "closed", reason: `expected a password check, got: ${message}` };
    } finally {
      this.#checks.release();
    }
  }

  /** There is nothing to release. */
  close(): void {}

  async #check(question: AuthQuestion): Promise<AuthAnswer> {
    const decoy = this.#decoy(question.user);
    const user = this.#users.get(question.user);
    const matches = await verifyPassword((user ?? decoy).hash, encodeLatin1(question.secret));
    if (!matches || user === undefined) return refusal("535 5.7.8", "Authentication failed", refusalWaitMs);
    return {
      kind: "accepted",
      upstreams: user.upstreams,
      user: null,
      secret: null,
      choices: configuredChoices,
    };
  }

  #decoy(name: string): KnownUser {
    const digest = createHmac("sha256", this.#decoyKey).update(encodeLatin1(name)).digest();
    return this.#decoys[digest.readUInt32BE(0) % this.#decoys.length]!;
  }

  #unavailable(signal: EndSignal): AuthAnswer {
    return signal.aborted
      ? {
        kind: "failed",
        code: "aborted",
        reason: "expected a password check, got the end of the session first",
      }
      : {
        kind: "failed",
        code: "timeout",
        reason: `expected fewer than ${maxWaitingChecks} password checks to wait, got as many`,
      };
  }
}

function parseUser({ name, password_hash, upstream }: EmbeddedUser): KnownUser {
  const hash = parseScryptHash(password_hash);
  const [first, ...others] = upstream;
  if (first === undefined) {
    throw new TypeError(`Cannot use the user ${JSON.stringify(name)}: expected an upstream, got none`);
  }
  if (hash !== null) return { hash, upstreams: [first, ...others] };
  throw new TypeError(
    `Cannot read the password_hash of user ${
      JSON.stringify(name)
    }: expected "$scrypt$ln=15,r=8,p=1$salt$hash"`,
  );
}

function refusal(code: string, text: string, waitMs: number | null): AuthAnswer {
  return { kind: "refused", text, code, waitMs, saslChallenge: null };
}
