/**
 * Directives of TLS towards clients, after nginx's mail ssl module.
 *
 * What the runtime can honour was measured with Deno 2.9.6 (`tls.TLSSocket` as a server over a stream, `openssl
 * s_client` as the peer): the lowest and the highest version, certificates, pass phrases, the request for a client
 * certificate. Cipher lists are checked for known names and then not applied, the order of the client decides, and
 * curves, DH parameters, ticket keys, ticket lifetimes and OpenSSL's option bits have no effect.
 *
 * @module
 */
import type { DirectiveTable } from "./directive.ts";
import type { ServerSettings, TlsVersion } from "./settings.ts";
import { fileName, flag, integer, oneOf, only, time } from "./simple_types.ts";
import { listOf, orOff, Refusal, scalar } from "./value_type.ts";

/** Directives of which two lists make one setting, `ssl_certificates`. */
export interface CertificateLists {
  readonly ssl_certificate: readonly string[];
  readonly ssl_certificate_key: readonly string[];
}

/** Directives that only state what is so anyway, and leave no setting. */
export interface StatedOnly {
  readonly ssl_ecdh_curve: string;
  readonly ssl_session_cache: string;
}

type SslSettings =
  & Pick<
    ServerSettings,
    | "starttls"
    | "ssl_certificate_watch"
    | "ssl_password_file"
    | "ssl_protocols"
    | "ssl_ciphers"
    | "ssl_prefer_server_ciphers"
    | "ssl_session_timeout"
    | "ssl_session_tickets"
    | "ssl_verify_client"
    | "ssl_verify_depth"
    | "ssl_client_certificate"
    | "ssl_trusted_certificate"
    | "ssl_crl"
  >
  & CertificateLists
  & StatedOnly;

const RUNTIME = "the runtime's TLS library decides and cannot be told otherwise";

const files = listOf(fileName, { expected: "a file name or a list of them", words: false });

const tlsVersion = scalar<TlsVersion>({
  expected: '"TLSv1.2" or "TLSv1.3"',
  readText(text) {
    const known = (["TLSv1.2", "TLSv1.3"] as const).find((version) =>
      version.toLowerCase() === text.toLowerCase()
    );
    if (known !== undefined) return known;
    const old = /^(SSLv2|SSLv3|TLSv1|TLSv1\.1)$/i.test(text);
    if (!old) return new Refusal();
    const reason = "the runtime's TLS library, rustls, has TLSv1.2 and TLSv1.3 only (RFC 8996)";
    return new Refusal(`${text} cannot be honoured: ${reason}`, "unsupported");
  },
  print: (value) => value,
  schema: { enum: ["TLSv1.2", "TLSv1.3"] },
});

const anyText = scalar<string>({ expected: "a text", readText: (text) => text, print: (value) => value });

/** nginx's default, which says "all that is good" and is what the runtime has. */
const DEFAULT_CIPHERS = "HIGH:!aNULL:!MD5";

const ciphers = scalar<string | null>({
  expected: JSON.stringify(DEFAULT_CIPHERS),
  readText(text) {
    if (text === DEFAULT_CIPHERS) return null;
    return new Refusal(
      `only nginx's default, "${DEFAULT_CIPHERS}", can be honoured: the runtime checks a cipher list and then does not ` +
        "apply it; it offers ECDHE with AES-GCM or ChaCha20-Poly1305, and nothing weaker",
      "unsupported",
    );
  },
  print: () => DEFAULT_CIPHERS,
  schema: { const: DEFAULT_CIPHERS },
});

export const sslDirectives = {
  starttls: {
    context: "both",
    type: oneOf(["off", "on", "only"]),
    default: "off",
    doc: "STARTTLS: not offered, offered, or demanded before anything else is done.",
    source: "nginx",
    note: "`only` holds for MAIL and RCPT too.",
  },
  ssl_certificate: {
    context: "both",
    type: files,
    default: [],
    doc:
      "PEM file of the certificate and the chain above it; with several, the name the client asks for chooses.",
    source: "nginx",
    note: "Several ones are a list. nginx chooses by the kind of key, never by name.",
  },
  ssl_certificate_key: {
    context: "both",
    type: files,
    default: [],
    doc: "PEM file of the key of each certificate, in the same order.",
    source: "nginx",
    note: "`data:`, `engine:` and `store:` are refused.",
  },
  ssl_certificate_watch: {
    context: "both",
    type: orOff(time({ least: 10 })),
    default: "10s",
    doc:
      "How often the files of `ssl_*` are looked at: when they have changed, they are read and hold from then on.",
    source: "Postern",
    note: "nginx reads them at a reload only.",
  },
  ssl_password_file: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "File of pass phrases for keys, one in a line.",
    source: "nginx",
  },
  ssl_protocols: {
    context: "both",
    type: listOf(tlsVersion, { expected: tlsVersion.expected, words: true, least: 1 }),
    default: "TLSv1.2 TLSv1.3",
    doc: "Versions of TLS that are spoken.",
    source: "nginx",
    note: "Older versions are refused: the runtime does not have them.",
  },
  ssl_ciphers: {
    context: "both",
    type: ciphers,
    default: DEFAULT_CIPHERS,
    doc: "Ciphers of TLSv1.2.",
    source: "nginx",
    note: `Only the default can be honoured: ${RUNTIME}.`,
  },
  ssl_prefer_server_ciphers: {
    context: "both",
    type: only(flag, "off", RUNTIME),
    default: "off",
    doc: "Whose order of ciphers decides.",
    source: "nginx",
    note: `Always the client's: ${RUNTIME}.`,
  },
  ssl_ecdh_curve: {
    context: "both",
    type: only(anyText, "auto", RUNTIME),
    default: "auto",
    doc: "Curves for the key exchange.",
    source: "nginx",
    note: `Always X25519, P-256 and P-384 (and what newer releases add): ${RUNTIME}.`,
  },
  ssl_session_cache: {
    context: "both",
    type: only(anyText, "none", "sessions are resumed with tickets alone"),
    default: "none",
    doc: "Cache of sessions that clients resume by their id.",
    source: "nginx",
    note: "There is none; sessions are resumed with tickets.",
  },
  ssl_session_timeout: {
    context: "both",
    type: only(time(), "12h", "the runtime gives every session ticket this lifetime"),
    default: "12h",
    doc: "How long a session may be resumed.",
    source: "nginx",
    note: `In nginx 5 minutes; here always 12 hours: ${RUNTIME}.`,
  },
  ssl_session_tickets: {
    context: "both",
    type: only(flag, "on", RUNTIME),
    default: "on",
    doc: "Resumes sessions with tickets.",
    source: "nginx",
    note: `Always on, with a key of each worker that changes at every start: ${RUNTIME}.`,
  },
  ssl_verify_client: {
    context: "both",
    type: oneOf(["off", "on", "optional", "optional_no_ca"]),
    default: "off",
    doc: "Asks clients for a certificate and says what becomes of those without a good one.",
    source: "nginx",
  },
  ssl_verify_depth: {
    context: "both",
    type: integer({ least: 0, most: 100 }),
    default: "1",
    doc: "Number of authorities that may stand between a client's certificate and a trusted one.",
    source: "nginx",
  },
  ssl_client_certificate: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of authorities for client certificates, whose names are sent to clients.",
    source: "nginx",
  },
  ssl_trusted_certificate: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of more authorities for client certificates, whose names are not sent.",
    source: "nginx",
  },
  ssl_crl: {
    context: "both",
    type: orOff(fileName),
    default: "off",
    doc: "PEM file of revocation lists for client certificates.",
    source: "nginx",
  },
} as const satisfies DirectiveTable<SslSettings>;
