/**
 * From the callout's answer and the configuration to what is asked of the mail server.
 *
 * @module
 */
import { isLoopback, parseIp } from "../bytes/ip_address.ts";
import { encodeLatin1 } from "../bytes/latin1.ts";
import { formatProxyV1, formatProxyV2 } from "../grammar/proxy_header.ts";
import type { ServerSettings } from "../config/settings.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { SocketAddress, TlsFacts, Transport } from "../ports/transport.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import type { UpstreamCredentials, UpstreamPlan } from "../session/upstream_machine.ts";
import { clientHostPort } from "./client_host_port.ts";
import type { UpstreamRequest } from "./open_upstream.ts";
import type { ServerRuntime } from "./runtime.ts";
import type { TryRules } from "./upstream_tries.ts";

/** What the session knows of its client. */
export interface ClientFacts {
  readonly client: { readonly host: string; readonly port: number };
  readonly clientHost: string;
  readonly local: SocketAddress;
  readonly tls: TlsFacts | null;
  readonly helo: string;
  readonly esmtp: boolean;
}

type Accepted = Extract<AuthAnswer, { kind: "accepted" }>;

/** Login that holds from here on: the callout's where it names one. */
export function effectiveLogin(question: ClientQuestion, answer: Accepted): string {
  return answer.user ?? question.user;
}

/** Builds the request to one of the servers that the answer names; what the answer chooses goes before what the server's directives say. */
export function upstreamRequest(
  server: ServerRuntime,
  facts: ClientFacts,
  question: ClientQuestion,
  answer: Accepted,
  target: SocketAddress,
): Omit<UpstreamRequest, "doing" | "connected" | "handshake"> {
  const { settings } = server;
  const tls = answer.choices.tls ?? settings.proxy_ssl;
  const proxyProtocol = answer.choices.proxyProtocol ?? settings.proxy_protocol;
  const auth = credentials(server, question, answer);
  const login = effectiveLogin(question, answer);
  const compat = settings.compat === "nginx";
  return {
    target,
    connectTimeoutMs: settings.proxy_connect_timeout,
    dialogueTimeoutMs: settings.timeout,
    replyLimit: settings.proxy_buffer,
    implicitTls: tls === "on",
    tls: {
      ...server.upstreamTls,
      serverName: settings.proxy_ssl_name ?? (target.kind === "tcp" ? target.host : "localhost"),
    },
    proxyHeader: proxyProtocol === "off" ? null : () => proxyHeader(proxyProtocol, facts),
    plan: (connected): UpstreamPlan => ({
      serverName: settings.server_name,
      client: facts.helo === "" ? null : { name: facts.helo, esmtp: facts.esmtp },
      clientUsedEhlo: facts.esmtp,
      starttls: tls === "starttls",
      xclient: {
        mode: answer.choices.xclient ?? (compat && settings.xclient === "on" ? "nginx" : settings.xclient),
        attributes: {
          addr: facts.client.host,
          port: facts.client.port,
          name: facts.clientHost,
          // nginx: a login that is proven by AUTH is not also claimed by XCLIENT (spec §4.3).
          login: auth !== null || login === "" ? null : login,
          helo: facts.helo === "" ? null : facts.helo,
          proto: facts.esmtp ? "ESMTP" : "SMTP",
          destaddr: clientHostPort(facts.local).host,
          destport: clientHostPort(facts.local).port,
        },
      },
      auth: auth === null ? null : {
        ...auth,
        plaintextAllowed: settings.proxy_smtp_auth_plaintext || onThisHost(connected),
        host: target.kind === "tcp" ? target.host : "localhost",
        port: target.kind === "tcp" ? target.port : 0,
      },
      envelope: question.envelope,
      addressConveyed: proxyProtocol !== "off",
      compat,
    }),
  };
}

/** How other servers are tried when one fails. */
export function tryRules(settings: ServerSettings): TryRules {
  return {
    next: settings.proxy_next_upstream,
    tries: settings.proxy_next_upstream_tries,
    timeoutMs: settings.proxy_next_upstream_timeout,
    restMs: settings.proxy_fail_timeout,
  };
}

type Credentials = Omit<UpstreamCredentials, "plaintextAllowed" | "host" | "port">;

function credentials(server: ServerRuntime, question: ClientQuestion, answer: Accepted): Credentials | null {
  const chosen = answer.choices.auth;
  // Method none never signs in (spec §4.1), unless the callout says so for this very session.
  const byDirective = server.settings.proxy_smtp_auth && question.method !== "none" ? "on" : "off";
  const mode = chosen ?? byDirective;
  if (mode === "off") return null;
  // A digest is no password, and EXTERNAL leaves none (spec §4.4).
  const own =
    question.method === "plain" || question.method === "xoauth2" || question.method === "oauthbearer"
      ? question.secret
      : null;
  return {
    mode,
    user: effectiveLogin(question, answer),
    secret: answer.secret ?? own,
    bearer: answer.secret === null && (question.method === "xoauth2" || question.method === "oauthbearer"),
  };
}

/** Whether plaintext stays on this machine: Unix sockets, loopback, or the address we connect from. */
function onThisHost(connected: Transport): boolean {
  const { local, remote } = connected;
  if (remote.kind === "unix") return true;
  const address = parseIp(remote.host);
  if (address !== null && isLoopback(address)) return true;
  return local.kind === "tcp" && local.host === remote.host;
}

function proxyHeader(version: "v1" | "v2", facts: ClientFacts): Uint8Array {
  const local = facts.local.kind === "tcp" ? facts.local : { host: "unix:", port: 0 };
  if (version === "v1") return encodeLatin1(formatProxyV1(facts.client, local));
  const { tls } = facts;
  return formatProxyV2({
    client: facts.client,
    local,
    tls: tls === null ? null : {
      serverName: tls.serverName,
      alpn: tls.alpn,
      protocol: tls.protocol,
      cipher: tls.cipher,
      commonName: tls.peer?.commonName ?? null,
      clientCertificate: tls.verdict.kind === "success" ? "verified" : tls.verdict.kind,
    },
  });
}
