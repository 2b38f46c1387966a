/**
 * The dialogue of `postern probe`: what a client sees of a listener, step by step.
 *
 * @module
 */
import { X509Certificate } from "node:crypto";
import { displayText, encodeUtf8AsByteString } from "../bytes/latin1.ts";
import { isLoopback, parseIp } from "../bytes/ip_address.ts";
import { type Capabilities, parseEhlo } from "../grammar/ehlo.ts";
import type { Reply } from "../grammar/reply.ts";
import { formatPlain } from "../grammar/sasl.ts";
import type { Clock } from "../ports/clock.ts";
import type { Dialer, SocketAddress, TlsFacts, UpstreamTlsOptions } from "../ports/transport.ts";
import { SmtpClient, type Transcript } from "./smtp_client.ts";

/** What is to be tried. */
export interface ProbePlan {
  readonly target: SocketAddress & { readonly kind: "tcp" };
  readonly tls: "off" | "ssl" | "starttls";
  /** Name for SNI and in the certificate. */
  readonly serverName: string;
  /** Whether a certificate that a client would not accept is a failure. */
  readonly verify: boolean;
  /** PEM of the authorities to trust instead of the system's, or null. */
  readonly trustedCertificates: string | null;
  readonly helo: string;
  /** Credentials as byte strings, or null. */
  readonly login: { readonly user: string; readonly secret: string } | null;
  /** Addresses for MAIL and RCPT, or null. */
  readonly envelope: { readonly from: string; readonly to: string } | null;
  /** For each step, milliseconds. */
  readonly stepMs: number;
}

/** What the dialogue needs. */
export interface ProbePorts {
  readonly clock: Clock;
  readonly dialer: Dialer;
  /** Takes a line for the user. */
  readonly say: (line: string) => void;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}

/** A step had another end than a client hopes for; the message is for the user. */
export class ProbeFailure extends Error {
  override readonly name = "ProbeFailure";
}

const DAY_MS = 86_400_000;

/**
 * Speaks the dialogue and tells each step. It sends no message: an envelope is taken back with RSET.
 * @throws {ProbeFailure | ConnectionError} where it does not go as it should.
 */
export async function runProbe(plan: ProbePlan, ports: ProbePorts): Promise<void> {
  const client = await SmtpClient.connect(plan.target, ports, transcriptTo(ports.say), plan.stepMs);
  try {
    ports.say(
      `connected from ${addressText(client.transport.local)} to ${addressText(client.transport.remote)}`,
    );
    if (plan.tls === "ssl") await beginTls(client, plan, ports);
    expectCode(await client.reply(), "the greeting", 220);
    let offered = await ehlo(client, plan);
    if (plan.tls === "starttls") {
      if (!offered.has("STARTTLS")) throw new ProbeFailure("STARTTLS is not offered");
      expectCode(await client.command("STARTTLS"), "STARTTLS", 220);
      await beginTls(client, plan, ports);
      offered = await ehlo(client, plan);
    }
    if (plan.login !== null) await signIn(client, plan.login, offered);
    if (plan.envelope !== null) await tryEnvelope(client, plan.envelope);
    await client.command("QUIT");
  } finally {
    client.close();
  }
  if (plan.tls !== "off" && plan.verify) await verifyCertificate(plan, ports);
}

function tlsOptions(plan: ProbePlan, verify: boolean): UpstreamTlsOptions {
  const { serverName, trustedCertificates } = plan;
  return { serverName, verify, trustedCertificates, certificate: null, certificateKey: null };
}

/** Without verifying, so that a bad certificate can be shown. */
async function beginTls(client: SmtpClient, plan: ProbePlan, { say, now }: ProbePorts): Promise<void> {
  await client.startTls(tlsOptions(plan, false));
  const { tls } = client.transport;
  if (tls === null) return;
  say(`TLS: ${tls.protocol}, ${tls.cipher}, asked for ${plan.serverName}`);
  for (const line of describePeer(tls, now())) say(line);
}

/** What the certificate says, a line each. */
function describePeer({ peer }: TlsFacts, now: number): string[] {
  if (peer === null) return ["certificate: it cannot be read"];
  const { subjectAltName, validTo } = new X509Certificate(peer.pem);
  const days = Math.floor((Date.parse(validTo) - now) / DAY_MS);
  const until = new Date(validTo).toISOString().slice(0, 10);
  const left = days < 0 ? `expired ${-days} days ago` : `${days} days left`;
  const names = (subjectAltName ?? "").replaceAll(/(?:DNS|IP Address):/g, "");
  return [
    `certificate: ${displayText(encodeUtf8AsByteString(peer.subject))}, for ${
      displayText(encodeUtf8AsByteString(names)) || "no name"
    }`,
    `  issued by ${displayText(encodeUtf8AsByteString(peer.issuer))}, valid until ${until} (${left})`,
  ];
}

/** On a connection of its own: a client that verifies ends the handshake of a bad one. */
async function verifyCertificate(plan: ProbePlan, ports: ProbePorts): Promise<void> {
  const quiet: Transcript = { sent: () => {}, received: () => {} };
  const client = await SmtpClient.connect(plan.target, ports, quiet, plan.stepMs);
  try {
    if (plan.tls === "starttls") {
      await client.reply();
      await client.command(`EHLO ${plan.helo}`);
      await client.command("STARTTLS");
    }
    await client.startTls(tlsOptions(plan, true));
    ports.say("a client that verifies accepts the certificate");
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ProbeFailure(`a client that verifies does not accept the certificate: ${reason}`);
  } finally {
    client.close();
  }
}

async function ehlo(client: SmtpClient, { helo }: ProbePlan): Promise<Capabilities> {
  const reply = await client.command(`EHLO ${helo}`);
  expectCode(reply, "EHLO", 250);
  return parseEhlo(reply.lines);
}

async function signIn(
  client: SmtpClient,
  { user, secret }: NonNullable<ProbePlan["login"]>,
  offered: Capabilities,
): Promise<void> {
  if (client.transport.tls === null && !isOnThisHost(client.transport.remote)) {
    throw new ProbeFailure("the password is not sent in clear to another host: use --ssl or --starttls");
  }
  const mechanisms = (offered.get("AUTH") ?? []).map((name) => name.toUpperCase());
  if (mechanisms.includes("PLAIN")) {
    const message = formatPlain(user, secret);
    if (message === null) throw new ProbeFailure("AUTH PLAIN cannot carry a NUL");
    return expectCode(await client.command(`AUTH PLAIN ${btoa(message)}`, { secret: true }), "AUTH", 235);
  }
  if (!mechanisms.includes("LOGIN")) {
    throw new ProbeFailure(
      `no AUTH PLAIN or LOGIN is offered, but ${mechanisms.join(", ") || "no AUTH at all"}`,
    );
  }
  expectCode(await client.command("AUTH LOGIN"), "AUTH", 334);
  expectCode(await client.command(btoa(user), { secret: true }), "the user name", 334);
  expectCode(await client.command(btoa(secret), { secret: true }), "the password", 235);
}

async function tryEnvelope(
  client: SmtpClient,
  { from, to }: NonNullable<ProbePlan["envelope"]>,
): Promise<void> {
  expectCode(await client.command(`MAIL FROM:<${from}>`), "MAIL", 250);
  expectCode(await client.command(`RCPT TO:<${to}>`), "RCPT", 250, 251);
  expectCode(await client.command("RSET"), "RSET", 250);
}

function expectCode({ code }: Reply, what: string, ...expected: readonly number[]): void {
  if (expected.includes(code)) return;
  throw new ProbeFailure(`${what} was answered with ${code}, not with ${expected.join(" or ")}`);
}

function isOnThisHost(remote: SocketAddress): boolean {
  if (remote.kind === "unix") return true;
  const octets = parseIp(remote.host);
  return octets !== null && isLoopback(octets);
}

function addressText(address: SocketAddress): string {
  if (address.kind === "unix") return `unix:${address.path}`;
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

function transcriptTo(say: (line: string) => void): Transcript {
  return {
    sent: (line, secret) => say(`> ${secret ? withoutSecret(line) : displayText(line)}`),
    received: (line) => say(`< ${displayText(line)}`),
  };
}

/** `AUTH PLAIN ***`, or three stars for a line that is nothing but secret. */
function withoutSecret(line: string): string {
  const words = line.split(" ");
  return [...words.slice(0, -1), "***"].join(" ");
}
