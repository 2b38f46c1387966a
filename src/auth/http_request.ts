/**
 * The callout's request: an AuthQuestion as the octets of an HTTP GET.
 *
 * Headers, their order and their escaping are nginx's (spec §3.2). Postern's own headers follow them, the
 * `auth_http_header` lines come last. Differences from nginx:
 * - the request line says `HTTP/1.1` when connections are kept, so that the service may keep them; it says
 *   `HTTP/1.0`, as nginx's, when they are not;
 * - control octets in HELO, MAIL and RCPT are written as `%XX`: nginx sends them raw, but they can be no part of
 *   a field value (RFC 9110 §5.5) and make strict servers answer 400.
 *
 * @module
 */
import { encodeLatin1 } from "../bytes/latin1.ts";
import type { AuthQuestion } from "../ports/auth_backend.ts";
import type { TlsFacts } from "../ports/transport.ts";

/** What is the same in every request to one service. */
export interface RequestOptions {
  /** Value of the `Host` header. */
  readonly host: string;
  /** Request target, begins with `/`. */
  readonly uri: string;
  /** Whether the connection is to be kept for the next question. */
  readonly keepAlive: boolean;
  /** Whether the outcome of the client certificate's check is sent (`ssl_verify_client` is not off). */
  readonly sendCertificateFacts: boolean;
  /** Whether the client certificate itself is sent too (`auth_http_pass_client_cert`). */
  readonly passClientCertificate: boolean;
  /** `auth_http_header` lines; values are byte strings and may hold `$remote_addr` and the like. */
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  /** Whether Postern's own headers and the variables are left out (`compat: nginx`). */
  readonly nginxHeadersOnly?: boolean;
}

/** Variables of `auth_http_header`, without their `$`. */
export type HeaderVariable =
  | "remote_addr"
  | "remote_port"
  | "server_addr"
  | "server_port"
  | "ssl_server_name"
  | "session_id";

/** Request options made ready for many questions. */
export interface RequestTemplate {
  /** Request line and `Host` line. */
  readonly start: string;
  readonly options: RequestOptions;
  /** Literal text and variables of the `auth_http_header` lines, in turns, line ends included. */
  readonly headers: readonly (string | { readonly variable: HeaderVariable })[];
}

const variableValues: Readonly<Record<HeaderVariable, (question: AuthQuestion) => string>> = {
  remote_addr: (question) => question.client.host,
  remote_port: (question) => question.client.port.toString(),
  server_addr: serverAddress,
  server_port: serverPort,
  ssl_server_name: (question) => question.tls?.serverName ?? "",
  session_id: (question) => question.sessionId,
};

/** Prepares the parts of the request that no question changes. */
export function compileRequest(options: RequestOptions): RequestTemplate {
  const version = options.keepAlive ? "HTTP/1.1" : "HTTP/1.0";
  const headers: (string | { variable: HeaderVariable })[] = [];
  for (const { name, value } of options.headers) {
    const parts = options.nginxHeadersOnly ? [escapeControls(value)] : parseHeaderValue(value);
    headers.push(`${escapeControls(name)}: `, ...parts, "\r\n");
  }
  return {
    start: `GET ${escapeControls(options.uri)} ${version}\r\nHost: ${escapeControls(options.host)}\r\n`,
    options,
    headers,
  };
}

/** Writes the request for `question` (spec §3.2). */
export function formatRequest(template: RequestTemplate, question: AuthQuestion): Uint8Array {
  const { client, proxyProtocol, envelope, tls } = question;
  let text = template.start +
    "Auth-Method: " + question.method +
    "\r\nAuth-User: " + escapeCredential(question.user) +
    "\r\nAuth-Pass: " + escapeCredential(question.secret);
  if (question.salt !== null) text += "\r\nAuth-Salt: " + escapeControls(question.salt);
  text += "\r\nAuth-Protocol: smtp\r\nAuth-Login-Attempt: " + question.attempt +
    "\r\nClient-IP: " + escapeControls(client.host) + "\r\n" + field("Client-Host: ", question.clientHost);
  if (proxyProtocol !== null) {
    text += "Proxy-Protocol-Addr: " + escapeControls(proxyProtocol.source.host) +
      "\r\nProxy-Protocol-Port: " + proxyProtocol.source.port +
      "\r\nProxy-Protocol-Server-Addr: " + escapeControls(proxyProtocol.destination.host) +
      "\r\nProxy-Protocol-Server-Port: " + proxyProtocol.destination.port + "\r\n";
  }
  if (envelope !== null) {
    text += "Auth-SMTP-Helo: " + escapeControls(envelope.helo) +
      "\r\nAuth-SMTP-From: " + escapeControls(envelope.mail) +
      "\r\nAuth-SMTP-To: " + escapeControls(envelope.rcpt) + "\r\n";
  }
  if (tls !== null) text += formatTls(tls, template.options);
  if (!template.options.nginxHeadersOnly) text += formatOwnHeaders(question);
  // Only where the operator has turned tracing on.
  if (question.traceparent !== null) text += `traceparent: ${question.traceparent}\r\n`;
  for (const part of template.headers) {
    text += typeof part === "string" ? part : escapeCredential(variableValues[part.variable](question));
  }
  return encodeLatin1(text + "\r\n");
}

/** What nginx does not say. */
function formatOwnHeaders(question: AuthQuestion): string {
  const { client, tls } = question;
  let text = client.port === 0 ? "" : "Client-Port: " + client.port + "\r\n";
  text += "Server-Addr: " + escapeControls(serverAddress(question)) + "\r\n" +
    field("Server-Port: ", serverPort(question));
  if (tls !== null) text += field("Auth-SSL-SNI: ", tls.serverName ?? "");
  return text + "Auth-Session: " + escapeControls(question.sessionId) + "\r\n";
}

function formatTls(tls: TlsFacts, options: RequestOptions): string {
  let text = "Auth-SSL: on\r\n" + field("Auth-SSL-Protocol: ", tls.protocol) +
    field("Auth-SSL-Cipher: ", tls.cipher);
  if (!options.sendCertificateFacts) return text;
  const { verdict, peer } = tls;
  text += "Auth-SSL-Verify: " +
    (verdict.kind === "failed" ? "FAILED:" + escapeControls(verdict.reason) : verdict.kind.toUpperCase()) +
    "\r\n";
  if (peer === null) return text;
  text += field("Auth-SSL-Subject: ", peer.subject) + field("Auth-SSL-Issuer: ", peer.issuer) +
    field("Auth-SSL-Serial: ", peer.serial) + field("Auth-SSL-Fingerprint: ", peer.fingerprint);
  if (options.passClientCertificate) text += "Auth-SSL-Cert: " + escapeCredential(peer.pem) + "\r\n";
  return text;
}

/** A header line, or nothing for an empty value, as nginx leaves these headers out. */
function field(nameColonSpace: string, value: string): string {
  return value === "" ? "" : nameColonSpace + escapeControls(value) + "\r\n";
}

function serverAddress({ server }: AuthQuestion): string {
  return server.kind === "tcp" ? server.host : `unix:${server.path}`;
}

function serverPort({ server }: AuthQuestion): string {
  return server.kind === "tcp" ? server.port.toString() : "";
}

function parseHeaderValue(value: string): (string | { variable: HeaderVariable })[] {
  const parts: (string | { variable: HeaderVariable })[] = [];
  let from = 0;
  for (const match of value.matchAll(/\$(?:(\w+)|\{(\w+)\})/g)) {
    const name = match[1] ?? match[2] ?? "";
    if (!isHeaderVariable(name)) continue;
    parts.push(escapeControls(value.slice(from, match.index)), { variable: name });
    from = match.index + match[0].length;
  }
  parts.push(escapeControls(value.slice(from)));
  return parts;
}

function isHeaderVariable(name: string): name is HeaderVariable {
  return Object.hasOwn(variableValues, name);
}

/** nginx's escaping of logins, passwords and certificates: 0x00-0x20 and `%` as `%XX`. */
function escapeCredential(text: string): string {
  return escape(text, isCredentialOctet);
}

/** Keeps a value on its line: control octets other than tab as `%XX`. */
function escapeControls(text: string): string {
  return escape(text, isFieldOctet);
}

function isCredentialOctet(unit: number): boolean {
  return unit > 0x20 && unit !== 0x25;
}

function isFieldOctet(unit: number): boolean {
  return (unit >= 0x20 && unit !== 0x7f) || unit === 0x09;
}

function escape(text: string, isPlain: (unit: number) => boolean): string {
  let at = 0;
  while (at < text.length && isPlain(text.charCodeAt(at))) at++;
  if (at === text.length) return text;
  let escaped = text.slice(0, at);
  for (; at < text.length; at++) {
    const unit = text.charCodeAt(at);
    escaped += isPlain(unit) ? text[at] : "%" + unit.toString(16).toUpperCase().padStart(2, "0");
  }
  return escaped;
}
