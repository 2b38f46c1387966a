/** A session is over; the outcome is set. Whoever serves it goes no further. */
export class SessionOver extends Error {}

/** Thrown for every session: made once, because collecting a stack for each costs more than the rest of the end. */
export const SESSION_OVER = new SessionOver("the session is over");
