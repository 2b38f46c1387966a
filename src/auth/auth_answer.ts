/**
 * What a response of the auth service means (spec §3.3, §3.4).
 *
 * Differences from nginx: a status outside 2xx or no `Auth-Status` is a failure, never a success; `Auth-Server`
 * may be a host name, `[IPv6]` or `unix:/path`, or a list of those; `Auth-Error-Code` is checked; the `Auth-Upstream-*` headers
 * choose per login what the configuration says per server.
 *
 * @module
 */
import { formatIp, isIpv4, parseIp } from "../bytes/ip_address.ts";
import { displayText } from "../bytes/latin1.ts";
import type { AuthAnswer, AuthFailureCode, UpstreamChoices } from "../ports/auth_backend.ts";
import type { SocketAddress } from "../ports/transport.ts";
import { CalloutError } from "./callout_error.ts";
import type { HttpHead } from "./http_response.ts";

/** The service asks for the same question again after `ms` milliseconds (`Auth-Status: WAIT`). */
export interface WaitAnswer {
  readonly kind: "wait";
  readonly ms: number;
}

/** Mail servers of one answer. */
const maxServers = 16;
/** Longest `Auth-Wait`, in seconds. */
const maxWaitSeconds = 3600;
/** Octets of an error text: with the longest code, its spaces and CRLF it fills a reply line (RFC 5321 §4.5.3.1.5). */
const maxErrorText = 500;
/** Octets of a SASL challenge line (RFC 4954 §4). */
const maxSaslChallenge = 12288;
/** Octets of a Unix socket's path on Linux. */
const maxSocketPath = 107;
/** Octets of a host name (RFC 1035 §2.3.4). */
const maxHostName = 253;

/** A header by which the service chooses, and what may stand in it. */
interface Choice<T extends string> {
  readonly header: string;
  /** Name of the header in lower case, as heads have it. */
  readonly name: string;
  readonly values: Readonly<Record<string, T>>;
}

function choice<T extends string>(header: string, values: Readonly<Record<string, T>>): Choice<T> {
  return { header, name: header.toLowerCase(), values };
}

const tlsChoice = choice("Auth-Upstream-TLS", { off: "off", starttls: "starttls", on: "on" });
const authChoice = choice("Auth-Upstream-Auth", {
  off: "off",
  on: "on",
  plain: "plain",
  login: "login",
  xoauth2: "xoauth2",
  oauthbearer: "oauthbearer",
});
const xclientChoice = choice("Auth-Upstream-XCLIENT", { off: "off", on: "on", nginx: "nginx" });
const proxyProtocolChoice = choice("Auth-Upstream-Proxy-Protocol", {
  off: "off",
  on: "v1",
  v1: "v1",
  v2: "v2",
});

/** How much of nginx's way holds. */
export interface AnswerRules {
  /** Whether a refusal counts with any HTTP status (`compat: nginx`). Default false. */
  readonly anyStatusRefuses?: boolean;
}

/** Interprets a response head. Never throws. */
export function interpretAnswer(head: HttpHead, rules: AnswerRules = {}): AuthAnswer | WaitAnswer {
  try {
    return interpret(head, rules);
  } catch (error) {
    if (error instanceof CalloutError) return error.toAnswer();
    throw error;
  }
}

function interpret(head: HttpHead, rules: AnswerRules): AuthAnswer | WaitAnswer {
  const { headers } = head;
  const status = headers.get("auth-status") ?? "";
  const refusal = status !== "" && status !== "OK" && status !== "WAIT";
  if ((head.status < 200 || head.status > 299) && !(refusal && rules.anyStatusRefuses)) {
    throw failure("status", "a 2xx status", `${head.status} ${head.reason}`.trimEnd());
  }
  if (status === "") throw failure("no_status", "an Auth-Status header", null);
  if (status === "OK") {
    return {
      kind: "accepted",
      upstreams: parseUpstreams(headers),
      // An empty one replaces too, as with nginx: no LOGIN in XCLIENT, an empty password.
      user: headers.get("auth-user") ?? null,
      secret: headers.get("auth-pass") ?? null,
      choices: parseChoices(headers),
    };
  }
  const waitMs = parseWait(headers.get("auth-wait"));
  if (status === "WAIT") {
    // nginx repeats the question at once and for ever (spec §3.4).
    if (waitMs === null) throw failure("wait", "an Auth-Wait of at least 1 second with WAIT", null);
    return { kind: "wait", ms: waitMs };
  }
  return {
    kind: "refused",
    text: sanitizeText(status),
    code: parseErrorCode(headers.get("auth-error-code")),
    waitMs,
    saslChallenge: parseSaslChallenge(headers.get("auth-error-sasl")),
  };
}

function failure(code: AuthFailureCode, expected: string, got: string | null): CalloutError {
  const value = got === null ? null : displayText(got.slice(0, 80));
  const what = value === null ? "none" : `"${value}"`;
  return new CalloutError(code, `expected ${expected}, got ${what}`, { got: value });
}

/**
 * `Auth-Server` and `Auth-Port`, which may be lists with commas: as many ports as servers, or one for all. nginx takes
 * a list for an invalid address, so no service for it sends one.
 */
function parseUpstreams(headers: ReadonlyMap<string, string>): [SocketAddress, ...SocketAddress[]] {
  const list = headers.get("auth-server") ?? "";
  if (list === "") throw failure("no_server", "an Auth-Server header", null);
  const port = headers.get("auth-port") ?? "";
  if (!list.includes(",") && !port.includes(",")) return [parseUpstream(list, port)];
  const [first = "", ...others] = splitList(list);
  const ports = splitList(port);
  if (others.length >= maxServers) {
    throw failure("invalid_server", `at most ${maxServers} servers in Auth-Server`, list);
  }
  if (ports.length !== 1 && ports.length !== 1 + others.length) {
    throw failure("invalid_port", "one Auth-Port, or as many as servers", port);
  }
  const portOf = (at: number) => ports.length === 1 ? port : ports[at]!;
  return [
    parseUpstream(first, portOf(0)),
    ...others.map((server, at) => parseUpstream(server, portOf(at + 1))),
  ];
}

function splitList(text: string): string[] {
  return text.includes(",") ? text.split(",").map((item) => item.trim()) : [text];
}

function parseUpstream(server: string, port: string): SocketAddress {
  if (server.startsWith("unix:")) {
    const path = server.slice("unix:".length);
    // It stands in logs and before operators.
    if (!path.startsWith("/") || path.length > maxSocketPath || hasControl(path)) {
      throw failure(
        "invalid_server",
        `an absolute path of at most ${maxSocketPath} octets in Auth-Server`,
        server,
      );
    }
    return { kind: "unix", path };
  }
  const host = parseHost(server);
  if (host === null) {
    throw failure("invalid_server", "an IP address, host name or unix:/path in Auth-Server", server);
  }
  const number = /^0*\d{1,5}$/.test(port) ? Number(port) : 0;
  if (number < 1 || number > 65535) {
    throw failure("invalid_port", "an Auth-Port from 1 to 65535", port === "" ? null : port);
  }
  return { kind: "tcp", host, port: number };
}

function parseHost(text: string): string | null {
  if (isIpv4(text)) return text;
  const bracketed = text.startsWith("[") && text.endsWith("]");
  const address = parseIp(bracketed ? text.slice(1, -1) : text);
  if (address !== null) return bracketed && address.length !== 16 ? null : formatIp(address);
  const name = text.endsWith(".") ? text.slice(0, -1) : text;
  // A name whose last label is a number is a mistyped IPv4 address (RFC 3696 §2).
  if (name.length > maxHostName || /(^|\.)\d+$/.test(name)) return null;
  return name.split(".").every(isHostLabel) ? name.toLowerCase() : null;
}

function hasControl(text: string): boolean {
  // deno-lint-ignore no-control-regex
  return /[\x00-\x1f\x7f-\x9f]/.test(text);
}

function isHostLabel(label: string): boolean {
  return label.length <= 63 && /^[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$/.test(label);
}

function parseChoices(headers: ReadonlyMap<string, string>): UpstreamChoices {
  return {
    tls: choose(headers, tlsChoice),
    auth: choose(headers, authChoice),
    xclient: choose(headers, xclientChoice),
    proxyProtocol: choose(headers, proxyProtocolChoice),
  };
}

function choose<T extends string>(headers: ReadonlyMap<string, string>, choice: Choice<T>): T | null {
  const value = headers.get(choice.name) ?? "";
  if (value === "") return null;
  const { values } = choice;
  const name = value.toLowerCase();
  const chosen = Object.hasOwn(values, name) ? values[name] : undefined;
  if (chosen !== undefined) return chosen;
  throw failure("invalid_choice", `one of ${Object.keys(values).join(", ")} in ${choice.header}`, value);
}

/** Whole seconds as milliseconds; null for none, 0 and what is no number (spec §3.3). */
function parseWait(value: string | undefined): number | null {
  if (value === undefined || !/^\d+$/.test(value)) return null;
  return Math.min(Number(value), maxWaitSeconds) * 1000 || null;
}

/** A basic and an enhanced code of one class (RFC 2034 §4), or null so that the default is used. */
function parseErrorCode(value: string | undefined): string | null {
  return value !== undefined && /^(?:4\d\d(?: 4(?:\.\d{1,3}){2})?|5\d\d(?: 5(?:\.\d{1,3}){2})?)$/.test(value)
    ? value
    : null;
}

function parseSaslChallenge(value: string | undefined): string | null {
  const valid = value !== undefined && value !== "" && value.length <= maxSaslChallenge &&
    value.length % 4 === 0 && /^[A-Za-z0-9+/]+={0,2}$/.test(value);
  return valid ? value : null;
}

function sanitizeText(text: string): string {
  // deno-lint-ignore no-control-regex -- they are what must not reach the client
  return text.slice(0, maxErrorText).replace(/[\x00-\x1f\x7f]/g, " ");
}
