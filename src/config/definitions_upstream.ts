/** Directives of the connection to mail servers, after nginx's proxy modules. */
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings } from "./settings.ts";
import { fileName, flag, hostName, oneOf, size, time } from "./simple_types.ts";
import { orOff } from "./value_type.ts";

type UpstreamSettings = Pick<
  ServerSettings,
  | "proxy_buffer"
  | "proxy_connect_timeout"
  | "proxy_timeout"
  | "proxy_pass_error_message"
  | "xclient"
  | "proxy_smtp_auth"
  | "proxy_smtp_auth_plaintext"
  | "proxy_protocol"
  | "proxy_ssl"
  | "proxy_ssl_verify"
  | "proxy_ssl_name"
  | "proxy_ssl_trusted_certificate"
  | "proxy_ssl_certificate"
  | "proxy_ssl_certificate_key"
>;

export const upstreamDirectives = {
  proxy_buffer: {
    context: "both",
    type: size({ least: 512, most: 16 * 1024 * 1024 }),
    default: "4k",
    doc: "Longest reply that is read from a mail server before the relay begins.",
    source: "nginx",
  },
  proxy_connect_timeout: {
    context: "both",
    type: time(),
    default: "60s",
    doc: "Time for connecting to a mail server.",
    source: "Postern",
    note: "The name is from nginx's HTTP module.",
  },
  proxy_timeout: {
    context: "both",
    type: time(),
    default: "24h",
    doc: "How long a relay may be idle in both directions.",
    source: "nginx",
    note: "In nginx only the client's side counts.",
  },
  proxy_pass_error_message: {
    context: "both",
    type: flag,
    default: "off",
    doc: "Gives the client the mail server's own error reply when signing in there fails.",
    source: "nginx",
  },
  xclient: {
    context: "both",
    type: oneOf(["off", "on", "nginx"]),
    default: "on",
    doc: "Tells the mail server about the client with XCLIENT, as far as that server announces it.",
    source: "nginx",
    note: "`nginx` sends nginx's exact attributes, announced or not.",
  },
  proxy_smtp_auth: {
    context: "both",
    type: flag,
    default: "off",
    doc: "Signs in at the mail server with the user's credentials, or with the callout's.",
    source: "nginx",
    note: "Takes PLAIN, LOGIN, XOAUTH2 or OAUTHBEARER, whichever the server offers; nginx has PLAIN only.",
  },
  proxy_smtp_auth_plaintext: {
    context: "both",
    type: flag,
    default: "off",
    doc: "Allows credentials to go over a plaintext connection to another host.",
    source: "Postern",
    note: "nginx always allows it.",
  },
  proxy_protocol: {
    context: "both",
    type: oneOf(["off", "v1", "v2"], { on: "v1" }),
    default: "off",
    doc: "Sends a PROXY protocol header to the mail server; `on` is `v1`.",
    source: "nginx",
  },
  proxy_ssl: {
    context: "both",
    type: oneOf(["off", "starttls", "on"]),
    default: "off",
    doc: "TLS to the mail server: not at all, with STARTTLS, or from the first octet.",
    source: "Postern",
    note: "The names of `proxy_ssl*` are from nginx's stream module.",
  },
  proxy_ssl_verify: {
    context: "both",
    type: flag,
    default: "on",
    doc: "Verifies the mail server's certificate.",
    source: "Postern",
    note: "In nginx's stream module the default is `off`.",
  },
  proxy_ssl_name: {
    context: "both",
    type: orOff(hostName),
    default: "off",
    doc: "Name for SNI and to expect in the mail server's certificate, instead of the host it was named by.",
    source: "Postern",
  },
  proxy_ssl_trusted_certificate: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of the authorities that are trusted for mail servers instead of the runtime's.",
    note:
      "The runtime's are Mozilla's, or with `DENO_TLS_CA_STORE=system` in the environment the system's; so for all such directives. With a file for servers, a certificate that must not sign others (`CA:FALSE`, or a key usage without `keyCertSign`) signs none.",
    source: "Postern",
  },
  proxy_ssl_certificate: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of the certificate that Postern presents to mail servers.",
    source: "Postern",
  },
  proxy_ssl_certificate_key: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of the key of `proxy_ssl_certificate`.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<UpstreamSettings>;
