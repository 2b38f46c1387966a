/**
 * What an answer of the auth service means for a client, in words.
 *
 * @module
 */
import { displayText, quoteText } from "../bytes/latin1.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { ServerRuntime } from "../driver/runtime.ts";
import { type ClientFacts, effectiveLogin, upstreamRequest } from "../driver/upstream_request.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { SocketAddress, Transport } from "../ports/transport.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import type { UpstreamPlan } from "../session/upstream_machine.ts";

type Accepted = Extract<AuthAnswer, { kind: "accepted" }>;
type Server = Pick<ServerRuntime, "settings" | "upstreamTls">;

/** Explains an answer, a line each. */
export function explainAnswer(
  answer: AuthAnswer,
  question: ClientQuestion,
  server: Server,
  facts: ClientFacts,
): string[] {
  switch (answer.kind) {
    case "accepted":
      return explainYes(answer, question, server, facts);
    case "refused":
      return explainNo(answer);
    case "failed":
      return [
        `no usable answer (${answer.code}): ${displayText(answer.reason)}`,
        ...(answer.got === undefined ? [] : [`what came: ${quoteText(answer.got)}`]),
        "the client is told 451 4.3.2 and may try again later",
      ];
  }
}

function explainNo(
  { text, code, waitMs, saslChallenge }: Extract<AuthAnswer, { kind: "refused" }>,
): string[] {
  const lines = [`refused: the client is told "${code ?? "535 5.7.0"} ${displayText(text)}"`];
  if (saslChallenge !== null) lines.push("before that, Auth-Error-SASL goes to it as a 334");
  lines.push(
    waitMs
      ? `after ${waitMs / 1000} s, and it may try again`
      : "at once, and the connection is closed (no Auth-Wait)",
  );
  return lines;
}

function explainYes(
  answer: Accepted,
  question: ClientQuestion,
  server: Server,
  facts: ClientFacts,
): string[] {
  const login = effectiveLogin(question, answer);
  const renamed = answer.user === null ? "" : ", the name that Auth-User gives";
  const [first, ...others] = answer.upstreams;
  // The server's rules and logs have no part in this.
  const request = upstreamRequest(server as ServerRuntime, facts, question, answer, first);
  const plan = request.plan(connectedTo(first));
  return [
    question.method === "none" ? "accepted without a login" : `accepted as ${quoteText(login)}${renamed}`,
    `mail server: ${formatSocketAddress(first)}${
      others.map((each) => `, then ${formatSocketAddress(each)}`).join("")
    }`,
    `TLS to it: ${tlsText(request, plan)}`,
    `PROXY header to it: ${request.proxyHeader === null ? "none" : "one with the client's address"}`,
    `XCLIENT to it: ${xclientText(plan)}`,
    `sign-in there: ${authText(answer, plan, request.implicitTls)}`,
  ];
}

function tlsText({ implicitTls, tls }: ReturnType<typeof upstreamRequest>, plan: UpstreamPlan): string {
  if (!implicitTls && !plan.starttls) return "none";
  const how = implicitTls ? "from the first octet" : "with STARTTLS";
  const name = quoteText(tls.serverName);
  return tls.verify
    ? `${how}, with a certificate for ${name} that is verified`
    : `${how}, with whatever certificate it has (proxy_ssl_verify is off)`;
}

function xclientText({ xclient: { mode, attributes } }: UpstreamPlan): string {
  if (mode === "off") return "none";
  const given = Object.entries(attributes).filter(([, value]) => value !== null);
  const words = given.map(([name, value]) => `${name.toUpperCase()}=${displayText(String(value))}`).join(" ");
  return mode === "nginx"
    ? `as nginx sends it, offered or not, of ${words}`
    : `as far as it is offered, of ${words}`;
}

function authText({ secret }: Accepted, { auth, starttls }: UpstreamPlan, implicitTls: boolean): string {
  if (auth === null) return "none";
  if (auth.secret === null) return "fails: there is no password to pass on, and the answer has no Auth-Pass";
  if (!starttls && !implicitTls && !auth.plaintextAllowed) {
    return "fails: credentials go in clear only to this host, unless proxy_smtp_auth_plaintext is on";
  }
  const mechanism = auth.mode === "on" ? "a mechanism that it offers" : auth.mode.toUpperCase();
  const whose = secret === null ? "the client's own" : "that of Auth-Pass";
  return `as ${quoteText(auth.user)} with ${mechanism}; the password is ${whose}`;
}

/** As far as a plan asks for it: whether the mail server is on this host. */
function connectedTo(remote: SocketAddress): Transport {
  return { remote, local: { kind: "unix", path: "" } } as Transport;
}
