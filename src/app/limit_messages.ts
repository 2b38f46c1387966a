/**
 * What a worker asks of the limits in the first thread, and the answers.
 *
 * @module
 */
import type {
  Admission,
  AdmissionAnswer,
  BegunBan,
  LoginAttempt,
  LoginVerdict,
} from "../ports/limit_store.ts";

/** Questions, each with what its answer is. */
export interface LimitQuestions {
  readonly admit: { readonly asked: Admission; readonly answer: AdmissionAnswer };
  readonly loginAllowed: { readonly asked: LoginAttempt; readonly answer: LoginVerdict };
  readonly loginFailed: { readonly asked: LoginAttempt; readonly answer: readonly BegunBan[] };
}

export type LimitQuestion = keyof LimitQuestions;

/** From a worker. */
export type FromLimitedWorker =
  | {
    [Q in LimitQuestion]: {
      readonly kind: "limit_question";
      readonly ticket: number;
      readonly question: Q;
      readonly asked: LimitQuestions[Q]["asked"];
    };
  }[LimitQuestion]
  | { readonly kind: "limit_release"; readonly keys: readonly string[] }
  | { readonly kind: "limit_success"; readonly key: string };

/** To a worker. */
export interface ToLimitedWorker {
  readonly kind: "limit_answer";
  readonly ticket: number;
  readonly answer: LimitQuestions[LimitQuestion]["answer"];
}
