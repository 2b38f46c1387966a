import type { AuthFailureCode } from "../ports/auth_backend.ts";

/** A question that got no usable answer. The message says what was expected and what came, never credentials. */
export class CalloutError extends Error {
  override readonly name = "CalloutError";
  readonly code: AuthFailureCode;
  constructor(code: AuthFailureCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
