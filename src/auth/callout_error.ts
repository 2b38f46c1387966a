import type { AuthAnswer, AuthFailureCode } from "../ports/auth_backend.ts";

/** A question that got no usable answer. The message says what was expected and what came, never credentials. */
export class CalloutError extends Error {
  override readonly name = "CalloutError";
  readonly code: AuthFailureCode;
  /** The value of the header that was wrong, fit for a log, or null. */
  readonly got: string | null;
  constructor(code: AuthFailureCode, message: string, options: ErrorOptions & { got?: string | null } = {}) {
    super(message, options);
    this.code = code;
    this.got = options.got ?? null;
  }

  /** What the backend's caller is told. */
  toAnswer(): AuthAnswer {
    const { code, message: reason, got } = this;
    return got === null ? { kind: "failed", code, reason } : { kind: "failed", code, reason, got };
  }
}
