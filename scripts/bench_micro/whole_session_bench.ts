/**
 * What a session costs that is Postern's own, without sockets and TLS.
 *
 * @module
 */
import { prepareSessions } from "./whole_session.ts";

/** V8 compiles for tens of thousands of sessions. */
const SESSIONS = { warmup: 20_000, n: 10_000 };

const plain = await prepareSessions("plain");
const starttls = await prepareSessions("starttls");

// Deno.bench waits for functions that are written as async, and only for these.
Deno.bench("a whole session, plain, callout without a login, 1 KB", SESSIONS, async () => {
  await plain.run();
});

Deno.bench("a whole session, STARTTLS, AUTH PLAIN with callout, 1 KB", SESSIONS, async () => {
  await starttls.run();
});
