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
import { decodeLatin1, encodeLatin1 } from "../bytes/latin1.ts";
import type { AuthMethod, AuthQuestion } from "../ports/auth_backend.ts";
import type { TlsFacts } from "../ports/transport.ts";
import { RequestOctets } from "./request_octets.ts";

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

/** A part of an `auth_http_header` line: text as it is sent, or a variable. */
type HeaderPart = Uint8Array | { readonly variable: HeaderVariable };

/** Request options made ready for many questions. */
export interface RequestTemplate {
  /** From the request line to the name of `Auth-User`, for each method. */
  readonly starts: Readonly<Record<AuthMethod, Uint8Array>>;
  readonly options: RequestOptions;
  /** The `auth_http_header` lines, each with the line end before it. */
  readonly headers: readonly HeaderPart[];
}

const methods: readonly AuthMethod[] = ["plain", "cram-md5", "external", "none", "xoauth2", "oauthbearer"];

/** What stands before each value, from the end of the line before on. */
const names = {
  pass: lineStart("Auth-Pass"),
  salt: lineStart("Auth-Salt"),
  attempt: encodeLatin1("\r\nAuth-Protocol: smtp\r\nAuth-Login-Attempt: "),
  clientIp: lineStart("Client-IP"),
  clientHost: lineStart("Client-Host"),
  proxyAddr: lineStart("Proxy-Protocol-Addr"),
  proxyPort: lineStart("Proxy-Protocol-Port"),
  proxyServerAddr: lineStart("Proxy-Protocol-Server-Addr"),
  proxyServerPort: lineStart("Proxy-Protocol-Server-Port"),
  helo: lineStart("Auth-SMTP-Helo"),
  from: lineStart("Auth-SMTP-From"),
  to: lineStart("Auth-SMTP-To"),
  ssl: encodeLatin1("\r\nAuth-SSL: on"),
  sslProtocol: lineStart("Auth-SSL-Protocol"),
  sslCipher: lineStart("Auth-SSL-Cipher"),
  sslVerify: lineStart("Auth-SSL-Verify"),
  sslSubject: lineStart("Auth-SSL-Subject"),
  sslIssuer: lineStart("Auth-SSL-Issuer"),
  sslSerial: lineStart("Auth-SSL-Serial"),
  sslFingerprint: lineStart("Auth-SSL-Fingerprint"),
  sslCert: lineStart("Auth-SSL-Cert"),
  clientPort: lineStart("Client-Port"),
  serverAddr: lineStart("Server-Addr"),
  serverPort: lineStart("Server-Port"),
  sslSni: lineStart("Auth-SSL-SNI"),
  session: lineStart("Auth-Session"),
  traceparent: lineStart("traceparent"),
};
const end = encodeLatin1("\r\n\r\n");

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
  const start = `GET ${escapeControls(options.uri)} ${version}\r\nHost: ${escapeControls(options.host)}`;
  const starts = methods.map((method) => {
    return [method, encodeLatin1(`${start}\r\nAuth-Method: ${method}\r\nAuth-User: `)] as const;
  });
  return {
    starts: Object.fromEntries(starts) as Record<AuthMethod, Uint8Array>,
    options,
    headers: options.headers.flatMap(({ name, value }) => [
      lineStart(escapeControls(name)),
      ...options.nginxHeadersOnly ? [encodeLatin1(escapeControls(value))] : parseHeaderValue(value),
    ]),
  };
}

/** Writes the request for `question` (spec §3.2). */
export function writeRequest(template: RequestTemplate, question: AuthQuestion, out: RequestOctets): void {
  const { client, proxyProtocol, envelope, tls } = question;
  out.literal(template.starts[question.method]);
  out.credential(question.user);
  out.literal(names.pass);
  out.credential(question.secret);
  if (question.salt !== null) writeField(out, names.salt, question.salt);
  out.literal(names.attempt);
  out.number(question.attempt);
  writeField(out, names.clientIp, client.host);
  writeUnlessEmpty(out, names.clientHost, question.clientHost);
  if (proxyProtocol !== null) {
    const { source, destination } = proxyProtocol;
    writeField(out, names.proxyAddr, source.host);
    writeNumber(out, names.proxyPort, source.port);
    writeField(out, names.proxyServerAddr, destination.host);
    writeNumber(out, names.proxyServerPort, destination.port);
  }
  if (envelope !== null) {
    writeField(out, names.helo, envelope.helo);
    writeField(out, names.from, envelope.mail);
    writeField(out, names.to, envelope.rcpt);
  }
  if (tls !== null) writeTls(out, tls, template.options);
  if (!template.options.nginxHeadersOnly) writeOwnHeaders(out, question);
  // Only where the operator has turned tracing on.
  if (question.traceparent !== null) writeField(out, names.traceparent, question.traceparent);
  for (const part of template.headers) {
    if (part instanceof Uint8Array) out.literal(part);
    else out.credential(variableValues[part.variable](question));
  }
  out.literal(end);
}

/** What nginx does not say. */
function writeOwnHeaders(out: RequestOctets, question: AuthQuestion): void {
  const { client, server, tls } = question;
  if (client.port !== 0) writeNumber(out, names.clientPort, client.port);
  writeField(out, names.serverAddr, serverAddress(question));
  if (server.kind === "tcp") writeNumber(out, names.serverPort, server.port);
  if (tls !== null) writeUnlessEmpty(out, names.sslSni, tls.serverName ?? "");
  writeField(out, names.session, question.sessionId);
}

function writeTls(out: RequestOctets, tls: TlsFacts, options: RequestOptions): void {
  out.literal(names.ssl);
  writeUnlessEmpty(out, names.sslProtocol, tls.protocol);
  writeUnlessEmpty(out, names.sslCipher, tls.cipher);
  if (!options.sendCertificateFacts) return;
  const { verdict, peer } = tls;
  writeField(
    out,
    names.sslVerify,
    verdict.kind === "failed" ? `FAILED:${verdict.reason}` : verdict.kind.toUpperCase(),
  );
  if (peer === null) return;
  writeUnlessEmpty(out, names.sslSubject, peer.subject);
  writeUnlessEmpty(out, names.sslIssuer, peer.issuer);
  writeUnlessEmpty(out, names.sslSerial, peer.serial);
  writeUnlessEmpty(out, names.sslFingerprint, peer.fingerprint);
  if (!options.passClientCertificate) return;
  out.literal(names.sslCert);
  out.credential(peer.pem);
}

function lineStart(name: string): Uint8Array {
  return encodeLatin1(`\r\n${name}: `);
}

function writeField(out: RequestOctets, lineStart: Uint8Array, value: string): void {
  out.literal(lineStart);
  out.fieldText(value);
}

function writeNumber(out: RequestOctets, lineStart: Uint8Array, value: number): void {
  out.literal(lineStart);
  out.number(value);
}

/** A header line, or nothing for an empty value, as nginx leaves these headers out. */
function writeUnlessEmpty(out: RequestOctets, lineStart: Uint8Array, value: string): void {
  if (value !== "") writeField(out, lineStart, value);
}

function serverAddress({ server }: AuthQuestion): string {
  return server.kind === "tcp" ? server.host : `unix:${server.path}`;
}

function serverPort({ server }: AuthQuestion): string {
  return server.kind === "tcp" ? server.port.toString() : "";
}

function parseHeaderValue(value: string): HeaderPart[] {
  const parts: HeaderPart[] = [];
  let from = 0;
  for (const match of value.matchAll(/\$(?:(\w+)|\{(\w+)\})/g)) {
    const name = match[1] ?? match[2] ?? "";
    if (!isHeaderVariable(name)) continue;
    parts.push(encodeLatin1(escapeControls(value.slice(from, match.index))), { variable: name });
    from = match.index + match[0].length;
  }
  parts.push(encodeLatin1(escapeControls(value.slice(from))));
  return parts;
}

function isHeaderVariable(name: string): name is HeaderVariable {
  return Object.hasOwn(variableValues, name);
}

/** Keeps a value on its line: control octets other than tab as `%XX`. */
function escapeControls(text: string): string {
  const octets = new RequestOctets();
  octets.fieldText(text);
  return decodeLatin1(octets.written);
}
