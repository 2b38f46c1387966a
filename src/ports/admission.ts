/**
 * Who may offer how much mail in a relay: what limits decide, and where the guard asks.
 *
 * @module
 */
import type { SessionContext } from "./telemetry.ts";

/** Null lets it pass; else the client hears `reply` and the mail server never hears the command. */
export type Admission = null | {
  /** A complete reply of class 4 or 5 without its CRLF, such as `450 4.7.1 Too many messages, try again later`. */
  readonly reply: string;
  /** Whether the session ends with it, as it has to with 421. */
  readonly close: boolean;
};

/**
 * Asked by the guard of a relay before a command goes to the mail server; nothing further of the client's is read
 * before the answer. Paths are byte strings as typed between the angle brackets. Must neither reject nor throw.
 *
 * The first message and recipient of a session without login (`smtp_auth none`) were passed on before the relay began
 * and are not asked about here.
 */
export interface RelayAdmission {
  /** Asked at MAIL. */
  message(session: SessionContext, reversePath: string): Admission | Promise<Admission>;
  /** Asked at RCPT. */
  recipient(session: SessionContext, forwardPath: string): Admission | Promise<Admission>;
}
