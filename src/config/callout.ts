/** Kinds of values of the auth callout: `auth_http` (spec §1.3) and `auth_http_header`. */
import { bracketed, formatSocketAddress } from "../bytes/socket_address.ts";
import { parseHostAndPort, parseUnixAddress, splitParameter } from "./addresses.ts";
import { type Reading, Refusal, scalar, type ScalarType, type ValueType } from "./value_type.ts";
import { quoteFound } from "./problem.ts";
import type { AuthHttpService, AuthHttpTarget } from "./settings.ts";
import { formatTime, parseTime } from "./units.ts";
import type { SourceNode } from "./yaml_source.ts";

/** The variables that a value of `auth_http_header` may have. */
export const HEADER_VARIABLES: readonly string[] = [
  "remote_addr",
  "remote_port",
  "server_addr",
  "server_port",
  "ssl_server_name",
  "session_id",
];

/** `[http[s]://]HOST[:PORT][/URI]` or `unix:/path[:/uri]`. */
export const authHttpTarget: ScalarType<AuthHttpTarget> = scalar({
  expected: 'a URL such as "http://127.0.0.1:9000/auth", "https://auth.example.com/", or "unix:/path:/uri"',
  readText(text) {
    const [prefix, schemeName] = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text) ?? ["", "http"];
    const rest = text.slice(prefix.length);
    // First of all, so that no message shows the password.
    if (/^[^/?]*@/.test(rest)) {
      return new Refusal(
        'a user or password in the URL is not supported: use "auth_http_header"',
        "unsupported",
      );
    }
    const scheme = schemeName?.toLowerCase();
    if (scheme !== "http" && scheme !== "https") return new Refusal();
    return rest.startsWith("unix:") ? readUnixTarget(scheme, rest) : readTcpTarget(scheme, rest);
  },
  print({ scheme, address, uri }) {
    if (address.kind === "unix") return `${scheme}://unix:${address.path}:${uri}`;
    return `${scheme}://${formatSocketAddress(address)}${uri}`;
  },
});

/** nginx's default. */
const FAIL_TIMEOUT_MS = 10_000;

/** A target, then `max_fails=N` and `fail_timeout=TIME` as the servers of nginx's upstreams have them. */
export const authHttpService: ScalarType<AuthHttpService> = scalar({
  expected: authHttpTarget.expected,
  readText(text, reading) {
    const [url = "", ...words] = text.trim().split(/[ \t]+/);
    const target = authHttpTarget.readText(url, reading);
    if (target instanceof Refusal) return target;
    let max_fails: number | null = null;
    let fail_timeout = FAIL_TIMEOUT_MS;
    for (const word of words) {
      const [name, value] = splitParameter(word);
      const number = name === "max_fails" && /^\d{1,4}$/.test(value ?? "") ? Number(value) : null;
      const ms = name === "fail_timeout" && value !== null ? parseTime(value) : null;
      if (number !== null) max_fails = number;
      else if (ms !== null && ms > 0 && ms <= 86_400_000) fail_timeout = ms;
      else {
        return new Refusal(
          `expected "max_fails=N" or "fail_timeout=TIME" (up to a day) after the URL, found ${
            quoteFound(word)
          }`,
        );
      }
    }
    return { ...target, max_fails, fail_timeout };
  },
  print(service) {
    const { max_fails, fail_timeout } = service;
    const words = [authHttpTarget.print(service)];
    if (max_fails !== null) words.push(`max_fails=${max_fails}`);
    if (fail_timeout !== FAIL_TIMEOUT_MS) words.push(`fail_timeout=${formatTime(fail_timeout)}`);
    return words.join(" ");
  },
});

function readTcpTarget(scheme: "http" | "https", text: string): AuthHttpTarget | Refusal {
  const slash = text.search(/[/?]/);
  const authority = slash === -1 ? text : text.slice(0, slash);
  const parts = parseHostAndPort(authority);
  if (parts === null) return new Refusal();
  if (parts.port === 0) return new Refusal("expected a port from 1 to 65535");
  const { host, port } = parts;
  const address = { kind: "tcp", host, port: port ?? (scheme === "https" ? 443 : 80) } as const;
  return withUri({ scheme, address, host: bracketed(host) }, slash === -1 ? "" : text.slice(slash));
}

function readUnixTarget(scheme: "http" | "https", text: string): AuthHttpTarget | Refusal {
  const colon = text.indexOf(":", "unix:".length);
  const address = parseUnixAddress(colon === -1 ? text : text.slice(0, colon));
  if (address === null || address instanceof Refusal) return address ?? new Refusal();
  return withUri({ scheme, address, host: "localhost" }, colon === -1 ? "" : text.slice(colon + 1));
}

function withUri(target: Omit<AuthHttpTarget, "uri">, text: string): AuthHttpTarget | Refusal {
  const uri = text.startsWith("/") ? text : `/${text}`;
  // The request target is written as it is: only visible ASCII keeps the request line whole (RFC 9112 §3.2).
  if (!/^[\x21-\x7e]+$/.test(uri) || uri.includes("#")) {
    return new Refusal("expected a URI of visible ASCII characters without a fragment");
  }
  return { ...target, uri };
}

/** A header that every request to the callout carries. */
export interface AuthHttpHeader {
  readonly name: string;
  /** With variables still in it. */
  readonly value: string;
}

const HEADERS_EXPECTED = 'a list of "NAME VALUE" texts, or a map of names to values';

/** `auth_http_header`: a list of `NAME VALUE`, one such text, or a map. */
export const authHttpHeaders: ValueType<readonly AuthHttpHeader[]> = {
  expected: HEADERS_EXPECTED,
  schema: {
    oneOf: [
      { type: "string" },
      { type: "array", items: { type: "string" } },
      { type: "object", additionalProperties: { type: ["string", "number", "boolean"] } },
    ],
  },
  print: (headers) => headers.map(({ name, value }) => `${name} ${value}`.trimEnd()),
  read(node, reading) {
    const typed: (readonly [ScalarType<AuthHttpHeader>, SourceNode])[] = node.kind === "map"
      ? [...node.entries].map(([name, entry]) => [headerNamed(name), entry.node])
      : (node.kind === "list" ? node.items : [node]).map((item) => [headerLine, item]);
    const headers = typed.map(([type, item]) => type.read(item, reading));
    return headers.every((header) => header !== undefined) ? headers : undefined;
  },
};

const headerLine: ScalarType<AuthHttpHeader> = scalar({
  expected: 'a header as "NAME VALUE"',
  secret: true,
  readText(text, reading) {
    const [, name = "", value = ""] = /^(\S+)(?:\s+([^]*))?$/.exec(text) ?? [];
    return name === "" ? new Refusal() : checkHeader(name, value, reading);
  },
  print: ({ name, value }) => `${name} ${value}`,
});

function headerNamed(name: string): ScalarType<AuthHttpHeader> {
  return scalar({
    ...headerLine,
    secret: true,
    readText: (text, reading) => checkHeader(name, text, reading),
  });
}

function checkHeader(name: string, value: string, reading: Reading): AuthHttpHeader | Refusal {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) {
    return new Refusal(`expected a header name (RFC 9110 §5.1), found ${quoteFound(name)}`);
  }
  // deno-lint-ignore no-control-regex -- the controls are what is looked for
  if (/[\x00-\x08\x0a-\x1f\x7f]/.test(value)) {
    return new Refusal(`the value of "${name}" has a control character`);
  }
  if (reading.literalVariables || !hasUnknownVariable(value)) return { name, value: value.trim() };
  const known = HEADER_VARIABLES.map((variable) => `$${variable}`).join(", ");
  // Which one is not said: it may be part of a secret that happens to have a "$".
  return new Refusal(`the value of "${name}" has an unknown variable: expected one of ${known}`);
}

/** Whether a text has a variable that Postern does not know. A `$` before anything but a name is a `$`. */
function hasUnknownVariable(text: string): boolean {
  const names = [...text.matchAll(/\$(?:\{([^}]*)\}?|([A-Za-z_][A-Za-z0-9_]*))/g)];
  return names.some(([, braced, bare]) => !HEADER_VARIABLES.includes(braced ?? bare ?? ""));
}
