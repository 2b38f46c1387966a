import type { Connector, SocketAddress, Transport } from "../ports/transport.ts";
import { readOk } from "./redis_answers.ts";
import { RedisConnection } from "./redis_connection.ts";
import { RedisError, type RedisReply } from "./redis_reply.ts";

/** Where Redis or Valkey is, and who we are there. */
export interface RedisTarget {
  readonly address: SocketAddress;
  readonly tls: boolean;
  /** PEM of the authorities to trust instead of the system's, or null. */
  readonly trustedCertificates: string | null;
  readonly user: string | null;
  readonly password: string | null;
  readonly database: number;
}

/**
 * Connects and signs in. Once `signal` aborts the connection is closed, now or whenever it comes about.
 * @throws {Error} when that does not work; its text has no password.
 */
export async function signIn(
  target: RedisTarget,
  connector: Connector,
  signal: AbortSignal,
): Promise<RedisConnection> {
  const connection = new RedisConnection(await open(target, connector, signal));
  whenAborted(signal, () => connection.close());
  const { user, password, database } = target;
  if (user !== null || password !== null) {
    const reply = await connection.ask(["AUTH", ...user === null ? [] : [user], password ?? ""]);
    // Servers that do not know the command like to quote it, and the password in it.
    if (reply instanceof RedisError) throw new Error(`it refuses AUTH: ${authFault(reply.message)}`);
    readOk(reply);
  }
  if (database !== 0) readOk(good(await connection.ask(["SELECT", String(database)]), target));
  return connection;
}

async function open(
  { address, tls, trustedCertificates }: RedisTarget,
  connector: Connector,
  signal: AbortSignal,
): Promise<Transport> {
  const plain = await connector.connect(address, signal);
  whenAborted(signal, () => plain.close());
  if (!tls || address.kind === "unix") return plain;
  return await connector.startTls(plain, {
    serverName: address.host,
    verify: true,
    trustedCertificates,
    certificate: null,
    certificateKey: null,
  });
}

function whenAborted(signal: AbortSignal, close: () => void): void {
  if (signal.aborted) close();
  else signal.addEventListener("abort", close, { once: true });
}

/** Longest text of an error that is told, in characters. */
const TOLD_UNITS = 300;

/** The reply itself. @throws {Error} when the command was not carried out. */
export function good(reply: RedisReply, { password }: Pick<RedisTarget, "password">): RedisReply {
  if (!(reply instanceof RedisError)) return reply;
  const { message } = reply;
  const repeats = password !== null && message.includes(password);
  throw new Error(repeats ? "an error that repeats the password" : message.slice(0, TOLD_UNITS));
}

/** What may be wrong with a sign-in, told in our own words. */
function authFault(message: string): string {
  if (message.startsWith("WRONGPASS ")) return "WRONGPASS, the user or the password is wrong";
  if (message.includes(" without any password configured")) return "it has no password";
  return /^(?:ERR|NOAUTH|NOPERM|LOADING|MASTERDOWN)(?= )/.exec(message)?.[0] ?? "an error";
}
