/**
 * What comes before the greeting: PROXY header, limits, implicit TLS, host name, delay. Whoever is not let in here is
 * never greeted.
 *
 * @module
 */
import { quoteText } from "../bytes/latin1.ts";
import type { ProxyHeader } from "../grammar/proxy_header.ts";
import { REPLIES } from "../session/replies.ts";
import { shownLine } from "../session/shown_line.ts";
import { admitHandshake, startTls } from "./client_handshake.ts";
import type { ClientSession } from "./client_session.ts";
import { isTrusted, readProxyHeader } from "./read_proxy_header.ts";
import type { ListenerRuntime } from "./runtime.ts";

/** Waits for something; throws where the client is not let in (`SessionOver`), or is lost (`ConnectionError`). */
type Step = (session: ClientSession) => Promise<void>;

/** Lets the client in, or rejects as its steps do; null where nothing has to be waited for, as on most ports. */
export function enter(session: ClientSession): Promise<void> | null {
  const steps = stepsOf(session.listener);
  return steps.length === 0 ? null : takeInTurn(steps, session);
}

function stepsOf({ settings: { proxy_protocol, ssl }, server }: ListenerRuntime): readonly Step[] {
  const steps: Step[] = [];
  if (proxy_protocol) steps.push(takeProxyHeader);
  if (server.limits?.plan.atEntrance) steps.push(checkLimits);
  if (ssl) steps.push(startImplicitTls);
  if (server.resolver !== null) steps.push(findHost);
  if (server.settings.smtp_greeting_delay > 0) steps.push(delayGreeting);
  return steps;
}

async function takeInTurn(steps: readonly Step[], session: ClientSession): Promise<void> {
  for (const step of steps) await step(session);
}

async function takeProxyHeader(session: ClientSession): Promise<void> {
  const { server: { settings }, log } = session;
  session.enterPhase("proxy_header", "reading PROXY protocol", settings.timeout);
  // Accepted only from whom the operator trusts: anybody else could claim any address.
  if (!isTrusted(settings.set_real_ip_from, session.transport.remote)) {
    const message = "connection from an address that set_real_ip_from does not name";
    log.note("warn", "proxy_header_untrusted", message);
    session.over("proxy_header");
  }
  const read = await readProxyHeader(session.transport, session.input.buffer);
  if (read === null) session.over("proxy_header");
  const { header, transport } = read;
  if (header.kind === "fault") {
    const { code, text } = header;
    log.note("error", "proxy_header_broken", `broken header: ${quoteText(text)}`, { code });
    session.over("proxy_header");
  }
  session.transport = transport;
  takeAddresses(header, session);
}

function takeAddresses(header: ProxyHeader, session: ClientSession): void {
  // LOCAL and UNKNOWN carry no address: the connection's own stays.
  if (header.kind !== "addresses") return;
  session.proxyProtocol = { source: header.source, destination: header.destination };
  session.context.client = header.source;
}

async function checkLimits(session: ClientSession): Promise<void> {
  session.enterPhase("admitting", "checking limits", null);
  const refusal = await session.limited()!.enter();
  session.checkOpen();
  if (refusal === null) return;
  // A handshake, only to say no, costs what the limit is to save; in clear it could not be read.
  if (session.listener.settings.ssl) session.over(refusal.outcome);
  await session.refuse(refusal.reply, refusal.outcome);
}

async function startImplicitTls(session: ClientSession): Promise<void> {
  if (!admitHandshake(session, "implicit")) session.over("tls_refused");
  await startTls(session);
}

async function findHost(session: ClientSession): Promise<void> {
  session.enterPhase("resolving", "in resolving client address", null);
  const { server: { resolver }, context } = session;
  session.clientHost = await resolver!.clientHost(context.client.host, session.signal);
  session.checkOpen();
}

/** Waits before the greeting; a client that talks meanwhile is no mail client (spec §2.7). */
async function delayGreeting(session: ClientSession): Promise<void> {
  const { input, log, server: { settings }, services: { clock } } = session;
  session.enterPhase("greeting_delay", "in delay pipelining state", null);
  const read = input.begin(session.transport);
  const { promise: delayed, resolve } = Promise.withResolvers<"delayed">();
  const delay = clock.deadline(() => resolve("delayed"));
  delay.arm(settings.smtp_greeting_delay);
  try {
    const first = await Promise.race([read, delayed]);
    session.checkOpen();
    if (first === "delayed") return;
    if (first === null) session.over("client_closed");
    const said = shownLine(input.finished(first));
    log.note("info", "early_talker", `client was rejected before greeting: ${said}`);
    await session.refuse(REPLIES.earlyTalker, "early_talker");
  } finally {
    delay.disarm();
  }
}
