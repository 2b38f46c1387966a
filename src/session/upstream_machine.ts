/**
 * Postern's client role: from the mail server's greeting to a session that is ready to be relayed.
 *
 * Theory of operation. {@linkcode stepUpstream} is pure. The plan says what is wanted; the phases' table says what
 * is accepted; {@linkcode next} is the only place that knows the order of commands (spec §4.1):
 * greeting, EHLO, STARTTLS and EHLO again, XCLIENT and EHLO again, AUTH, MAIL, RCPT.
 *
 * @module
 */
import { encodeBase64 } from "../bytes/base64.ts";
import { type Capabilities, parseEhlo } from "../grammar/ehlo.ts";
import type { Reply } from "../grammar/reply.ts";
import { formatOauthbearer, formatPlain, formatXoauth2 } from "../grammar/sasl.ts";
import { formatNginxXclient, formatXclient, type XclientAttributes } from "../grammar/xclient.ts";
import type { UpstreamAuthMode, XclientMode } from "../ports/auth_backend.ts";
import { accepts, UPSTREAM_PHASES, type UpstreamPhase } from "./upstream_phases.ts";

/** Credentials for AUTH at the mail server. */
export interface UpstreamCredentials {
  readonly mode: Exclude<UpstreamAuthMode, "off">;
  readonly user: string;
  /** Null when there is none: CRAM-MD5 and EXTERNAL leave nothing to sign in with (spec §4.4). */
  readonly secret: string | null;
  /** Whether `secret` is a bearer token. */
  readonly bearer: boolean;
  /** Whether the connection may carry them although it is plain (same host, or the operator says so). */
  readonly plaintextAllowed: boolean;
  /** For OAUTHBEARER (RFC 7628 §3.1). */
  readonly host: string;
  readonly port: number;
}

/** All that the dialogue needs; fixed before the connection is opened. */
export interface UpstreamPlan {
  /** Our name in EHLO (`server_name`). */
  readonly serverName: string;
  /** The client's HELO/EHLO, or null if it gave none. */
  readonly client: { readonly name: string; readonly esmtp: boolean } | null;
  /** Whether the client ever said EHLO. */
  readonly clientUsedEhlo: boolean;
  /** Whether STARTTLS must be done; implicit TLS is done before the dialogue. */
  readonly starttls: boolean;
  readonly xclient: { readonly mode: XclientMode; readonly attributes: XclientAttributes };
  readonly auth: UpstreamCredentials | null;
  /** MAIL and RCPT lines to replay (method `none`), or null. */
  readonly envelope: { readonly mail: string; readonly rcpt: string } | null;
  /** Whether the mail server learns the client's address another way (`proxy_protocol`). */
  readonly addressConveyed: boolean;
  /** nginx's way where it differs (`compat: nginx`): HELO for a client without EHLO, AUTH PLAIN offered or not. */
  readonly compat: boolean;
}

export interface UpstreamState {
  readonly phase: UpstreamPhase;
  /** Whether the connection is encrypted. */
  readonly secure: boolean;
  readonly capabilities: Capabilities | null;
  /** XCLIENT lines not yet sent. */
  readonly xclientLines: readonly string[];
}

export type UpstreamEvent =
  | {
    readonly kind: "reply";
    readonly reply: Reply;
    /** Octets that arrived behind this reply and were not asked for. */
    readonly pending: number;
  }
  | { readonly kind: "tls_started" };

export type UpstreamEffect =
  /** A line without CRLF; `secret` keeps it out of every transcript. */
  | { readonly do: "send"; readonly line: string; readonly secret: boolean }
  /** What comes next was sent already. */
  | { readonly do: "await" }
  | { readonly do: "start_tls" }
  /** `reply`: the mail server's answer to RCPT, or null after a login. */
  | { readonly do: "ready"; readonly reply: Reply | null }
  | { readonly do: "fail"; readonly failure: UpstreamFailure };

/** Why the dialogue ended. */
export interface UpstreamFailure {
  readonly code:
    | "refused" // a reply the phase does not accept
    | "starttls_not_offered"
    | "plaintext_after_starttls"
    | "xclient_not_offered"
    | "auth_not_offered"
    | "no_password"
    | "bad_credentials" // an octet that the mechanism cannot carry
    | "plaintext_auth";
  /** For the log; peer text is shown as received. */
  readonly message: string;
  /** The mail server's own reply, where there is one. */
  readonly reply: Reply | null;
}

export interface UpstreamStep {
  readonly state: UpstreamState;
  readonly effect: UpstreamEffect;
}

/** The state before the mail server's greeting. `secure` for implicit TLS. */
export function initialUpstreamState(secure: boolean): UpstreamState {
  return { phase: "greeting", secure, capabilities: null, xclientLines: [] };
}

/** Advances the dialogue by one event. */
export function stepUpstream(state: UpstreamState, event: UpstreamEvent, plan: UpstreamPlan): UpstreamStep {
  if (event.kind === "tls_started") {
    // RFC 3207 §4.2: what the server said before TLS is forgotten.
    return send(
      { ...state, phase: "ehlo_secure", secure: true, capabilities: null },
      `EHLO ${plan.serverName}`,
    );
  }
  const { reply } = event;
  if (!accepts(state.phase, reply)) return refused(state, reply, plan);
  switch (state.phase) {
    case "greeting":
      return greet(state, plan);
    case "ehlo":
    case "ehlo_secure":
      return next({ ...state, capabilities: parseEhlo(reply.lines) }, plan);
    case "helo":
      return next({ ...state, capabilities: new Map() }, plan);
    case "starttls":
      // Octets behind the 220 came in clear and could only be injected (RFC 3207 §6, CVE-2026-1642).
      if (event.pending > 0) {
        return fail(
          state,
          "plaintext_after_starttls",
          "upstream sent data in clear behind its reply to STARTTLS",
          null,
        );
      }
      return { state, effect: { do: "start_tls" } };
    case "xclient":
      return afterXclient(state, plan);
    case "ehlo_client":
      return authenticate({ ...state, capabilities: parseEhlo(reply.lines) }, plan);
    case "helo_client":
      return authenticate({ ...state, capabilities: new Map() }, plan);
    case "auth_user":
      return send({ ...state, phase: "auth_password" }, encodeBase64(plan.auth?.user ?? ""), true);
    case "auth_password":
      return send({ ...state, phase: "auth" }, encodeBase64(plan.auth?.secret ?? ""), true);
    case "auth_error":
      // The row accepts no reply, so refused() has answered already.
      return fail(state, "refused", "upstream refused the bearer token", reply);
    case "auth":
      return transaction(state, plan, null);
    case "mail":
      if (pipelines(state, plan)) return { state: { ...state, phase: "rcpt" }, effect: { do: "await" } };
      return send({ ...state, phase: "rcpt" }, plan.envelope?.rcpt ?? "");
    case "rcpt":
      return { state, effect: { do: "ready", reply } };
  }
}

function greet(state: UpstreamState, plan: UpstreamPlan): UpstreamStep {
  const helo = plan.compat && plan.xclient.mode === "off" && !plan.starttls && !plan.clientUsedEhlo;
  return helo
    ? send({ ...state, phase: "helo" }, `HELO ${plan.serverName}`)
    : send({ ...state, phase: "ehlo" }, `EHLO ${plan.serverName}`);
}

/** After EHLO: TLS, then who the client is, then the login. */
function next(state: UpstreamState, plan: UpstreamPlan): UpstreamStep {
  if (plan.starttls && !state.secure) {
    // Never a fallback to plaintext: that is what an attacker on the path would want (RFC 3207 §6).
    if (!state.capabilities?.has("STARTTLS")) {
      return fail(
        state,
        "starttls_not_offered",
        "upstream does not offer STARTTLS, which proxy_ssl requires",
        null,
      );
    }
    return send({ ...state, phase: "starttls" }, "STARTTLS");
  }
  const { mode, attributes } = plan.xclient;
  if (mode === "off") return authenticate(state, plan);
  if (mode === "nginx") return send({ ...state, phase: "xclient" }, formatNginxXclient(attributes));
  const advertised = new Set((state.capabilities?.get("XCLIENT") ?? []).map((name) => name.toUpperCase()));
  // A server that judges unauthenticated mail by address would take every client for us, and relay for anyone.
  if (plan.envelope !== null && !plan.addressConveyed && !advertised.has("ADDR")) {
    return fail(
      state,
      "xclient_not_offered",
      "upstream does not offer XCLIENT with ADDR, so it would take the client's mail for Postern's own; " +
        'say "xclient: off" if that is meant',
      null,
    );
  }
  const [first, ...rest] = formatXclient(attributes, advertised);
  if (first !== undefined) return send({ ...state, phase: "xclient", xclientLines: rest }, first);
  return authenticate(state, plan);
}

function afterXclient(state: UpstreamState, plan: UpstreamPlan): UpstreamStep {
  const [line, ...rest] = state.xclientLines;
  if (line !== undefined) return send({ ...state, xclientLines: rest }, line);
  // XCLIENT puts the server back to its greeting, so it wants EHLO again; nginx sends the client's, and nothing
  // where the client gave none (spec §4.1).
  if (plan.client === null) {
    return plan.xclient.mode === "nginx"
      ? authenticate(state, plan)
      : send({ ...state, phase: "ehlo_client" }, `EHLO ${plan.serverName}`);
  }
  const { name, esmtp } = plan.client;
  // AUTH needs EHLO, and what the server then announces (RFC 4954 §3), even for a client that signed in after HELO.
  return esmtp || (plan.auth !== null && !plan.compat)
    ? send({ ...state, phase: "ehlo_client" }, `EHLO ${name}`)
    : send({ ...state, phase: "helo_client" }, `HELO ${name}`);
}

function authenticate(state: UpstreamState, plan: UpstreamPlan): UpstreamStep {
  const { auth } = plan;
  if (auth === null) return transaction(state, plan, null);
  if (auth.secret === null) {
    const message = "the login has no password to pass on, and the auth service sent no Auth-Pass";
    return fail(state, "no_password", message, null);
  }
  if (!state.secure && !auth.plaintextAllowed) {
    return fail(
      state,
      "plaintext_auth",
      "credentials would cross the network in clear: use proxy_ssl, or proxy_smtp_auth_plaintext if that is meant",
      null,
    );
  }
  const offered = offeredMechanisms(state);
  const blind = plan.compat && auth.mode === "on" && !auth.bearer;
  const mechanism = chooseMechanism(auth, offered) ?? (blind ? "PLAIN" : null);
  if (mechanism === null) {
    const found = offered.size === 0 ? "none" : [...offered].join(" ");
    return fail(
      state,
      "auth_not_offered",
      `upstream offers no usable AUTH mechanism (offered: ${found})`,
      null,
    );
  }
  switch (mechanism) {
    case "LOGIN":
      return send({ ...state, phase: "auth_user" }, "AUTH LOGIN");
    case "PLAIN":
      return sendAuth(state, "PLAIN", formatPlain(auth.user, auth.secret));
    case "XOAUTH2":
      return sendAuth(state, "XOAUTH2", formatXoauth2(auth.user, auth.secret));
    case "OAUTHBEARER":
      return sendAuth(state, "OAUTHBEARER", formatOauthbearer(auth.user, auth.secret, auth.host, auth.port));
  }
}

function offeredMechanisms(state: UpstreamState): ReadonlySet<string> {
  return new Set((state.capabilities?.get("AUTH") ?? []).map((name) => name.toUpperCase()));
}

type UpstreamMechanism = "PLAIN" | "LOGIN" | "XOAUTH2" | "OAUTHBEARER";

function chooseMechanism(auth: UpstreamCredentials, offered: ReadonlySet<string>): UpstreamMechanism | null {
  const wanted: Readonly<Record<UpstreamCredentials["mode"], readonly UpstreamMechanism[]>> = {
    on: auth.bearer ? ["OAUTHBEARER", "XOAUTH2"] : ["PLAIN", "LOGIN"],
    plain: ["PLAIN"],
    login: ["LOGIN"],
    xoauth2: ["XOAUTH2"],
    oauthbearer: ["OAUTHBEARER"],
  };
  return wanted[auth.mode].find((mechanism) => offered.has(mechanism)) ?? null;
}

function sendAuth(state: UpstreamState, mechanism: string, response: string | null): UpstreamStep {
  if (response === null) {
    return fail(state, "bad_credentials", `login or password cannot be said in AUTH ${mechanism}`, null);
  }
  return send({ ...state, phase: "auth" }, `AUTH ${mechanism} ${encodeBase64(response)}`, true);
}

function transaction(state: UpstreamState, plan: UpstreamPlan, reply: Reply | null): UpstreamStep {
  if (plan.envelope === null) return { state, effect: { do: "ready", reply } };
  const { mail, rcpt } = plan.envelope;
  // A server that refuses MAIL refuses RCPT as well, and then the session ends (RFC 2920 §3.1).
  return send({ ...state, phase: "mail" }, pipelines(state, plan) ? `${mail}\r\n${rcpt}` : mail);
}

/** Whether MAIL and RCPT go out together; nginx sends one command at a time. */
function pipelines(state: UpstreamState, plan: UpstreamPlan): boolean {
  return !plan.compat && (state.capabilities?.has("PIPELINING") ?? false);
}

function refused(state: UpstreamState, reply: Reply, plan: UpstreamPlan): UpstreamStep {
  const { fallback } = UPSTREAM_PHASES[state.phase];
  const permanent = reply.code >= 500;
  // A bearer token was refused with an error in a challenge; a dummy response brings the final reply
  // (RFC 7628 §3.2.3; XOAUTH2 wants an empty line).
  if (state.phase === "auth" && reply.code === 334 && plan.auth !== null) {
    const mechanism = chooseMechanism(plan.auth, offeredMechanisms(state));
    return send({ ...state, phase: "auth_error" }, mechanism === "OAUTHBEARER" ? "AQ==" : "");
  }
  if (fallback === "helo" && permanent && !plan.starttls && !plan.compat) {
    return send({ ...state, phase: "helo" }, `HELO ${plan.serverName}`);
  }
  return fail(state, "refused", "upstream sent invalid response", reply);
}

function send(state: UpstreamState, line: string, secret = false): UpstreamStep {
  return { state, effect: { do: "send", line, secret } };
}

function fail(
  state: UpstreamState,
  code: UpstreamFailure["code"],
  message: string,
  reply: Reply | null,
): UpstreamStep {
  return { state, effect: { do: "fail", failure: { code, message, reply } } };
}
