/**
 * A client that was let in gets its mail server.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { ClientEvent, ClientQuestion } from "../session/client_machine.ts";
import type { ClientSession } from "./client_session.ts";
import { passedOn, type UpstreamResult } from "./open_upstream.ts";
import { SessionRelay } from "./session_relay.ts";
import { authQuestion } from "./sign_in.ts";
import { type ClientFacts, effectiveLogin, tryRules, upstreamRequest } from "./upstream_request.ts";
import { failureLabel } from "./upstream_stage.ts";
import { openFirstUpstream } from "./upstream_tries.ts";

/**
 * Opens the first of the mail servers that `answer` names which can be opened, as the session's relay.
 * @throws {SessionOver} when the session ends meanwhile.
 */
export function connectClient(
  session: ClientSession,
  question: ClientQuestion,
  answer: Extract<AuthAnswer, { kind: "accepted" }>,
): Promise<ClientEvent> {
  const { server, services, context, log } = session;
  const { clock, metrics } = services;
  session.enterPhase("connecting", "connecting to upstream", null);
  const login = effectiveLogin(question, answer);
  context.login = login === "" ? null : login;
  const began = clock.now();
  const facts = clientFacts(session);
  const { dialer } = server;
  return openFirstUpstream(
    answer.upstreams,
    (target) => ({
      ...upstreamRequest(server, facts, question, answer, target),
      doing: (label) => context.doing = label,
      connected: () => metrics.observe("upstream_connect_duration_seconds", (clock.now() - began) / 1000),
      handshake: (ok) => metrics.tlsHandshake("upstream", ok),
    }),
    tryRules(server.settings),
    {
      trying: (address) => context.upstream = formatSocketAddress(address),
      failedOver: (failure) => {
        metrics.count("upstream_failures", failureLabel(failure));
        metrics.count("upstream_failovers", failureLabel(failure));
        log.upstreamFailover(failure);
      },
      resting: (address, rests) => {
        metrics.count("upstream_rests", rests ? "began" : "ended");
        log.upstreamResting(address, rests);
      },
    },
    dialer === null ? services : { ...services, dialer },
    session.signal,
  ).then((result) => {
    const seconds = (clock.now() - began) / 1000;
    metrics.upstream(result.kind === "ready", result.kind === "ready" ? "ready" : result.stage, seconds);
    return connected(session, result, question);
  });
}

function connected(session: ClientSession, result: UpstreamResult, question: ClientQuestion): ClientEvent {
  const { server, services: { metrics }, log } = session;
  if (result.kind === "ready") {
    session.relay = new SessionRelay(result, session);
    session.checkOpen();
    log.upstreamReady(result.transport);
    return { kind: "upstream_ready", rcptReply: passedOn(result.reply) };
  }
  session.checkOpen();
  // Another answer may be right by now: another password, another mail server.
  server.auth.forget?.(authQuestion(session, question));
  metrics.count("upstream_failures", failureLabel(result));
  log.upstreamFailure(result);
  session.enterCommandPhase();
  // Only a refusal can be passed on: a 2xx or 3xx of a step that the client never took would say the wrong thing.
  const pass = server.settings.proxy_pass_error_message && (result.reply?.code ?? 0) >= 400;
  return { kind: "upstream_failed", reply: pass ? passedOn(result.reply) : null };
}

function clientFacts({ context, transport, clientHost, known }: ClientSession): ClientFacts {
  return {
    client: context.client,
    clientHost,
    local: transport.local,
    tls: transport.tls,
    helo: known?.helo ?? "",
    esmtp: known?.esmtp ?? false,
  };
}
