/** Directives of the SMTP dialogue with clients and of the auth callout. */
import { authHttpHeaders, authHttpService } from "./callout.ts";
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings } from "./settings.ts";
import { fileName, flag, hostName, integer, oneOf, size, time } from "./simple_types.ts";
import { users } from "./users.ts";
import { listItems, listOf, oneOrSeveral, orOff, Refusal, scalar, type ValueType } from "./value_type.ts";

type SmtpSettings = Pick<
  ServerSettings,
  "smtp_auth" | "smtp_capabilities" | "smtp_client_buffer" | "smtp_greeting_delay"
>;

const capability = scalar<string>({
  expected: 'an EHLO keyword with its parameters, such as "SIZE 52428800"',
  readText(text) {
    // RFC 1870 §3; whoever writes it as the directives have it would announce nothing that a client understands.
    if (/^SIZE /i.test(text) && !/^SIZE [0-9]{1,20}$/i.test(text)) {
      return new Refusal(`expected SIZE with octets such as "SIZE 52428800", found ${JSON.stringify(text)}`);
    }
    // RFC 5321 §4.1.1.1, and "=" in a keyword for old forms such as "AUTH=LOGIN".
    return /^[A-Za-z0-9][A-Za-z0-9=-]*( [\x21-\x7e]+)*$/.test(text) && text.length <= 500
      ? text
      : new Refusal();
  },
  print: (value) => value,
});

const CAPABILITIES_EXPECTED = "a list such as [PIPELINING, SIZE 52428800, 8BITMIME]";
const capabilityList = listOf(capability, { expected: CAPABILITIES_EXPECTED, words: false });

/** A single text with blanks is refused: it could be one capability with parameters, or several. */
const capabilities: ValueType<readonly string[]> = {
  ...capabilityList,
  read(node, reading) {
    const items = listItems(node, false, CAPABILITIES_EXPECTED, reading);
    if (items === null) return undefined;
    if (node.kind === "scalar" && /\s/.test(node.text)) {
      const message =
        `expected ${CAPABILITIES_EXPECTED}: one text with blanks could mean one capability or several`;
      return void reading.problem(node, "invalid_value", message);
    }
    return capabilityList.read(node, reading);
  },
};

const smtpAuth = oneOf(["plain", "login", "cram-md5", "external", "xoauth2", "oauthbearer", "none"]);

export const smtpDirectives = {
  smtp_auth: {
    context: "both",
    type: listOf(smtpAuth, {
      expected: `one or more of the methods; ${smtpAuth.expected}`,
      words: true,
      least: 1,
    }),
    default: "login plain",
    doc:
      "Authentication methods that are announced and accepted; `none` lets mail in without authentication.",
    source: "nginx",
    note:
      "`xoauth2` and `oauthbearer` are Postern's. A method that is not listed is refused; nginx always takes " +
      "PLAIN and LOGIN.",
  },
  smtp_capabilities: {
    context: "both",
    type: capabilities,
    default: [],
    doc: "Lines of the EHLO reply besides STARTTLS and AUTH.",
    source: "nginx",
    note:
      "Checked against RFC 5321; SIZE has a number of octets. AUTH and STARTTLS are added by themselves; listed by hand they stand twice.",
  },
  smtp_client_buffer: {
    context: "both",
    type: size({ least: 512, most: 16 * 1024 * 1024 }),
    default: "4k",
    doc: "Longest command line that is read from a client.",
    source: "nginx",
    note: "Limits one line, not a batch of pipelined ones; lines of a SASL exchange may have 12288 octets.",
  },
  smtp_greeting_delay: {
    context: "both",
    type: time({ least: 0 }),
    default: "0s",
    doc: "Wait before the greeting; a client that speaks before it is turned away.",
    source: "nginx",
  },
} as const satisfies DirectiveTable<SmtpSettings>;

type CalloutSettings = Pick<
  ServerSettings,
  | "auth_http"
  | "auth_http_header"
  | "auth_http_timeout"
  | "auth_http_pass_client_cert"
  | "auth_http_keepalive"
  | "auth_http_ssl_verify"
  | "auth_http_ssl_name"
  | "auth_http_ssl_trusted_certificate"
  | "users"
>;

export const calloutDirectives = {
  auth_http: {
    context: "both",
    type: orOff(oneOrSeveral(authHttpService)),
    default: "off",
    doc: "HTTP service that decides about logins and names the mail server.",
    source: "nginx",
    note:
      "Also takes `https://`; the host name is resolved at every connection. Several services are a list, and are " +
      "asked in its order when those before fail; each may have `max_fails=N` and `fail_timeout=TIME` behind it.",
  },
  auth_http_header: {
    context: "both",
    type: authHttpHeaders,
    default: [],
    doc: "Headers that every request to the service carries.",
    source: "nginx",
    note:
      "Several ones are a list or a map. Values may have `$remote_addr`, `$remote_port`, `$server_addr`, " +
      "`$server_port`, `$ssl_server_name` and `$session_id`.",
  },
  auth_http_timeout: {
    context: "both",
    type: time(),
    default: "60s",
    doc: "Time for one question: connecting, sending, and the header of the answer.",
    source: "nginx",
  },
  auth_http_pass_client_cert: {
    context: "both",
    type: flag,
    default: "off",
    doc: "Sends the client's certificate to the service in `Auth-SSL-Cert`.",
    source: "nginx",
  },
  auth_http_keepalive: {
    context: "both",
    type: integer({ least: 0, most: 10_000 }),
    default: "32",
    doc:
      "Idle connections to the service that each worker keeps open; 0 opens one for every question, as nginx does.",
    source: "Postern",
  },
  auth_http_ssl_verify: {
    context: "both",
    type: flag,
    default: "on",
    doc: "Verifies the certificate of an `https://` service.",
    source: "Postern",
  },
  auth_http_ssl_name: {
    context: "both",
    type: orOff(hostName),
    default: "off",
    doc: "Name to expect in the certificate of the service instead of the host in `auth_http`.",
    source: "Postern",
  },
  auth_http_ssl_trusted_certificate: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of the authorities that are trusted for the service instead of the runtime's.",
    source: "Postern",
  },
  users: {
    context: "both",
    type: orOff(users),
    default: "off",
    doc: "Logins that Postern knows itself, in place of `auth_http`: `name`, `password_hash`, `upstream`.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<CalloutSettings>;
