/**
 * What a conformance dialogue is, once its file was read. `README.md` beside this file describes how one is written.
 *
 * @module
 */

/** The two parties that the runner plays over SMTP. */
export type Party = "client" | "upstream";

/** Directive name to value; a list is several arguments or several directives, as nginx would have it. */
export type Directives = Readonly<Record<string, string | readonly string[]>>;

/** What the callout service does with a request. */
export type CalloutAnswer =
  /** Octets, written segment by segment; then the connection ends, unless `stayOpen`. */
  | { readonly kind: "octets"; readonly segments: readonly string[]; readonly stayOpen: boolean }
  /** Ends the connection without an octet, by FIN or by RST. */
  | { readonly kind: "close" }
  | { readonly kind: "reset" }
  /** Says nothing until the dialogue is over. */
  | { readonly kind: "hang" };

/** How a client starts TLS and what it expects of it. */
export interface TlsStep {
  /** Name of a client certificate of `certificates.ts`, or null for none. */
  readonly certificate: string | null;
  readonly alpn: readonly string[];
  readonly version: "TLSv1.2" | "TLSv1.3" | null;
  readonly serverName: string;
  /** Whether the handshake is to fail. */
  readonly refused: boolean;
}

/** One step of a dialogue. Texts are byte strings with placeholders. */
export type Step =
  | { readonly kind: "send"; readonly party: Party; readonly segments: readonly string[] }
  | { readonly kind: "expect"; readonly party: Party; readonly octets: string }
  | { readonly kind: "match"; readonly party: Party; readonly pattern: RegExp }
  | { readonly kind: "tls"; readonly tls: TlsStep }
  | {
    readonly kind: "callout";
    /** Lines of the request head, complete and in order; null where the dialogue does not ask. */
    readonly request: readonly string[] | null;
    /** Lines that the head must have, and header names that it must not have. */
    readonly has: readonly string[];
    readonly lacks: readonly string[];
    /** Whether to judge what came, and not what nginx would have sent in its place (`callout-transport`). */
    readonly verbatim: boolean;
    readonly answer: CalloutAnswer;
  }
  | { readonly kind: "accept" }
  /** Time passes, because the passing of time is what the dialogue is about. */
  | { readonly kind: "pause"; readonly ms: number }
  /** Two variables must not be equal. */
  | { readonly kind: "differ"; readonly variables: readonly string[] }
  | { readonly kind: "none"; readonly service: "callout" | "upstream" }
  | { readonly kind: "close" | "half_close" | "reset" | "end"; readonly party: Party }
  /** Bounds of the time that the step before took, milliseconds. */
  | { readonly kind: "took"; readonly atLeastMs: number; readonly atMostMs: number };

/** Where the client connects to. */
export interface ListenPlan {
  readonly address: "127.0.0.1" | "::1" | "unix";
  readonly ssl: boolean;
  readonly proxyProtocol: boolean;
}

/** One conversation of a client, the proxy, a callout service and a mail server. */
export interface Dialogue {
  /** Path below `tests/conformance/`. */
  readonly file: string;
  readonly name: string;
  /** Section of nginx's behaviour that it shows, e.g. `§2.4`. */
  readonly spec: string;
  readonly listen: ListenPlan;
  readonly config: Directives;
  /** What Postern is configured with instead where the same behaviour has another value there. */
  readonly posternConfig: Directives;
  /** Question (`PTR 1.0.0.127.in-addr.arpa`) to answers, for `resolver`. */
  readonly names: Readonly<Record<string, string | readonly string[]>>;
  /** Oldest nginx that behaves so, or null. */
  readonly nginxSince: string | null;
  /** Row of `differences.yaml` that allows Postern to behave otherwise, or null. */
  readonly difference: string | null;
  readonly steps: readonly Step[];
  /** What Postern does where it deliberately differs; null where it does the same. */
  readonly expectPostern: readonly Step[] | ConfigurationRefused | null;
  /** What Postern does with `compat: nginx` where that is neither nginx's way nor its own; else null. */
  readonly expectCompat: readonly Step[] | null;
}

/** Postern does not start with the configuration of the dialogue, and says so with this text. */
export interface ConfigurationRefused {
  readonly refused: string;
}

/** The dialogues of one file and the directives that stand at `mail` level for all of them. */
export interface DialogueFile {
  readonly file: string;
  readonly mail: Directives;
  readonly dialogues: readonly Dialogue[];
}

/** A deliberate difference from nginx. */
export interface Difference {
  readonly id: string;
  readonly what: string;
  readonly why: string;
  /** Why `compat: nginx` does not bring nginx's way back; null where it does. */
  readonly kept: "security" | "superset" | "runtime" | null;
}
