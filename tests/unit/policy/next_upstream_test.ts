import assert from "node:assert/strict";
import { decideOnNext, type FailedTry } from "../../../src/policy/next_upstream.ts";

const GO_AND_REST = { next: true, rest: true };
const GO = { next: true, rest: false };
const STAY = { next: false, rest: false };

const rows: readonly (readonly [string, FailedTry, typeof STAY])[] = [
  ["nobody listens", { code: "refused", about: "server", reply: null }, GO_AND_REST],
  ["a connection takes too long", { code: "timeout", about: "server", reply: null }, GO_AND_REST],
  ["a name is not found", { code: "not_found", about: "server", reply: null }, GO_AND_REST],
  ["the handshake fails", { code: "tls", about: "server", reply: null }, GO_AND_REST],
  ["the handshake fails behind a PROXY header", { code: "tls", about: "client", reply: null }, GO_AND_REST],
  ["the certificate is another's", { code: "certificate", about: "client", reply: null }, GO_AND_REST],
  ["the greeting is 421", { code: "refused", about: "server", reply: 421 }, GO_AND_REST],
  ["the greeting is 554", { code: "refused", about: "server", reply: 554 }, GO_AND_REST],
  ["the greeting is no reply", { code: "malformed", about: "server", reply: null }, GO_AND_REST],
  ["STARTTLS is not offered", { code: "starttls_not_offered", about: "server", reply: null }, GO_AND_REST],
  ["the greeting behind a PROXY header is 421", { code: "refused", about: "client", reply: 421 }, GO],
  ["the greeting behind a PROXY header is 554", { code: "refused", about: "client", reply: 554 }, STAY],
  ["the connection ends before the reply to AUTH", { code: "closed", about: "client", reply: null }, GO],
  ["the reply to AUTH does not come", { code: "timeout", about: "client", reply: null }, GO],
  ["AUTH is refused for now", { code: "refused", about: "client", reply: 454 }, GO],
  ["the credentials are refused", { code: "refused", about: "client", reply: 535 }, STAY],
  ["MAIL is refused", { code: "refused", about: "client", reply: 550 }, STAY],
  ["the reply to AUTH is of no use", { code: "refused", about: "client", reply: 250 }, STAY],
  ["the reply to AUTH is none", { code: "malformed", about: "client", reply: null }, STAY],
  ["the reply to AUTH has no end", { code: "too_long", about: "client", reply: null }, STAY],
  ["AUTH is not offered", { code: "auth_not_offered", about: "server", reply: null }, GO],
  ["XCLIENT is not offered", { code: "xclient_not_offered", about: "server", reply: null }, GO],
  ["the server is Postern itself", { code: "own_listener", about: "server", reply: null }, GO],
  ["there is no password", { code: "no_password", about: "server", reply: null }, STAY],
  ["the session has ended", { code: "aborted", about: "server", reply: null }, STAY],
];

for (const [name, failure, expected] of rows) {
  const what = `${expected.next ? "may" : "must not"} be tried${expected.rest ? ", and this one rests" : ""}`;
  Deno.test(`when ${name}, the next mail server ${what}`, () => {
    assert.deepEqual(decideOnNext(failure), expected);
  });
}
