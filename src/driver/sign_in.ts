/**
 * The question whether a client may in, and to which mail server: limits, holds and the auth service.
 *
 * @module
 */
import type { AuthAnswer, AuthQuestion } from "../ports/auth_backend.ts";
import type { ClientEvent, ClientQuestion } from "../session/client_machine.ts";
import type { ClientSession } from "./client_session.ts";
import type { LimitAnswer, LimitRefusal, LoginLeave, SessionLimits } from "./session_limits.ts";
import type { HoldEnd } from "./sign_in_holds.ts";
import { effectiveLogin } from "./upstream_request.ts";

/** RFC 4954 §6: a temporary failure, after which the client may try the same password again. */
const HELD_TOO_LONG: AuthAnswer = Object.freeze({
  kind: "refused",
  text: "Mailbox is being moved, try again later",
  code: "454 4.7.0",
  waitMs: null,
  saslChallenge: null,
});

/**
 * Asks what the client's login, or its first recipient where no login is needed, wants to know.
 * @throws {SessionOver} when the session ends meanwhile, and `ConnectionError` when the client is lost.
 */
export async function ask(session: ClientSession, question: ClientQuestion): Promise<ClientEvent> {
  const flushed = session.flush();
  if (flushed !== null) await flushed;
  session.checkOpen();
  session.log.asked(question);
  const limits = session.limited();
  if (limits !== null) {
    const allowed = mayAsk(session, limits, question);
    const refusal = allowed instanceof Promise ? await allowed : allowed;
    session.checkOpen();
    if (refusal !== null) return turnAway(session, refusal);
  }
  let answer =
    await (isHeld(session, question.user)
      ? askOnceReleased(session, question.user, question)
      : askService(session, question));
  // The service may know him by another name.
  const user = loginOf(question, answer);
  if (isHeld(session, user)) answer = await askOnceReleased(session, user, question);
  session.log.answer(answer, question);
  if (limits !== null) {
    const counted = limits.answered(question, answer, loginOf(question, answer));
    const refusal = counted instanceof Promise ? await counted : counted;
    session.checkOpen();
    if (refusal !== null) return turnAway(session, refusal);
  }
  // While the answer is waited for no deadline of the session runs (spec §2.9); now it does again.
  if (answer.kind !== "accepted") session.enterCommandPhaseAfresh();
  return { kind: "answered", answer };
}

/** Waits as long as the auth service wants a client to that it has refused (`Auth-Wait`). */
export async function waitAfterRefusal(session: ClientSession, milliseconds: number): Promise<ClientEvent> {
  session.enterPhase("waiting", "in auth state", null);
  await session.services.clock.sleep(milliseconds, session.signal);
  session.checkOpen();
  session.enterCommandPhaseAfresh();
  return { kind: "waited" };
}

/** What the auth service is asked. */
export function authQuestion(session: ClientSession, question: ClientQuestion): AuthQuestion {
  const { context, transport } = session;
  return {
    ...question,
    client: context.client,
    server: transport.local,
    clientHost: session.clientHost,
    proxyProtocol: session.proxyProtocol,
    tls: transport.tls,
    sessionId: context.id,
    traceparent: session.log.traceparent,
  };
}

/** Whether limits let the question be asked: null when they do. */
function mayAsk(session: ClientSession, limits: SessionLimits, question: ClientQuestion): LimitAnswer {
  session.enterPhase("asking", "checking limits", null);
  if (question.method === "none") return limits.send("messageAndRecipient");
  const leave = limits.beforeLogin(question);
  if (leave instanceof Promise || leave.kind === "may" && leave.delayMs > 0) {
    return waitForLeave(session, leave);
  }
  return leave.kind === "may" ? null : leave.refusal;
}

/** Waits until a login may be tried, as after failed ones. */
async function waitForLeave(
  session: ClientSession,
  leaving: LoginLeave | Promise<LoginLeave>,
): Promise<LimitRefusal | null> {
  const leave = await leaving;
  if (leave.kind !== "may") return leave.refusal;
  if (leave.delayMs > 0 && session.ended === null) {
    session.enterPhase("waiting", "in auth state", null);
    await session.services.clock.sleep(leave.delayMs, session.signal);
  }
  return null;
}

function turnAway(session: ClientSession, { reply, outcome, close }: LimitRefusal): ClientEvent {
  session.enterCommandPhaseAfresh();
  return { kind: "limited", reply, outcome, close };
}

function isHeld({ services: { holds } }: ClientSession, user: string): boolean {
  return holds !== null && user !== "" && holds.has(user);
}

/** Asks once the user is not held back: whoever is held moves, and the answer of before is no longer true. */
async function askOnceReleased(
  session: ClientSession,
  user: string,
  question: ClientQuestion,
): Promise<AuthAnswer> {
  return await heldBack(session, user) === "late" ? HELD_TOO_LONG : await askService(session, question);
}

async function heldBack(session: ClientSession, user: string): Promise<HoldEnd> {
  const { holds, clock } = session.services;
  session.enterPhase("waiting", "held back", null);
  session.log.note("notice", "sign_in_held", "sign-in waits until the operator releases the user");
  const end = await holds!.wait(user, clock, session.signal);
  session.checkOpen();
  return end;
}

function askService(session: ClientSession, question: ClientQuestion): Promise<AuthAnswer> {
  session.enterPhase("asking", "in http auth state", null);
  const { clock, metrics } = session.services;
  const asked = clock.now();
  return session.server.auth.ask(authQuestion(session, question), session.signal).then((answer) => {
    session.checkOpen();
    metrics.auth(question.method, answer.kind, (clock.now() - asked) / 1000);
    if (answer.kind === "failed") metrics.count("callout_failures", answer.code);
    return answer;
  });
}

/** Who has signed in; empty for nobody. */
function loginOf(question: ClientQuestion, answer: AuthAnswer): string {
  return answer.kind === "accepted" ? effectiveLogin(question, answer) : "";
}
