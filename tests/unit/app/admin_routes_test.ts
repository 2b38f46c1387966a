import assert from "node:assert/strict";
import type { AdminAccess } from "../../../src/app/admin_access.ts";
import { type AdminSource, answerAdmin } from "../../../src/app/admin_routes.ts";

const TOKEN = "0123456789abcdef";
const OPEN: AdminAccess = { token: null, unix: false };

/** Notes what it is asked. */
function source(done: string[] = [], overrides: Partial<AdminSource> = {}): AdminSource {
  return {
    metrics: () => Promise.resolve("postern_up 1\n"),
    metricsAsJson: () => Promise.resolve([{ name: "postern_up" }]),
    health: () => Promise.resolve({ ok: true, text: "ok" }),
    readiness: () => Promise.resolve({ ok: false, text: "draining" }),
    sessions: (user, most) => Promise.resolve({ total: 3, silent: [2], sessions: [], user, most }),
    endSession: (id) => Promise.resolve(done.push(`end ${id}`) > 0 && id === "a1"),
    holds: () => [{ user: "ada", since: "s", until: "u" }],
    hold: (user, seconds) => {
      done.push(`hold ${user} ${seconds}`);
      return user === "full" ? null : { user, since: "s", until: "u" };
    },
    release: (user) => done.push(`release ${user}`) > 0 && user === "ada",
    ...overrides,
  };
}

interface Row {
  readonly request: string;
  readonly headers?: Record<string, string>;
  readonly access?: AdminAccess;
  readonly status: number;
  readonly body?: string;
  readonly done?: string;
}

const rows: readonly Row[] = [
  { request: "GET /metrics", status: 200, body: "postern_up 1\n" },
  { request: "HEAD /metrics", status: 200 },
  {
    request: "GET /metrics",
    headers: { accept: "application/json" },
    status: 200,
    body: '[{"name":"postern_up"}]\n',
  },
  { request: "GET /healthz?x=1", status: 200, body: "ok\n" },
  { request: "GET /readyz", status: 503, body: "draining\n" },
  {
    request: "GET /sessions",
    status: 200,
    body: '{"total":3,"silent":[2],"sessions":[],"user":null,"most":1000}\n',
  },
  {
    request: "GET /sessions?user=ada%40x&limit=5",
    status: 200,
    body: '{"total":3,"silent":[2],"sessions":[],"user":"ada@x","most":5}\n',
  },
  { request: "DELETE /sessions/a1", status: 200, done: "end a1" },
  { request: "DELETE /sessions/b2", status: 404, done: "end b2" },
  { request: "GET /sessions/a1", status: 405 },
  { request: "DELETE /sessions/", status: 404 },
  { request: "DELETE /sessions/%ff", status: 404 },
  { request: "DELETE /sessions", status: 405 },
  { request: "GET /holds", status: 200, body: '{"holds":[{"user":"ada","since":"s","until":"u"}]}\n' },
  { request: "PUT /holds/ada@x", status: 200, done: "hold ada@x 3600" },
  { request: "PUT /holds/ada%2Fb?seconds=60", status: 200, done: "hold ada/b 60" },
  { request: "PUT /holds/ada?seconds=0", status: 400 },
  { request: "PUT /holds/ada?seconds=x", status: 400 },
  { request: "PUT /holds/full", status: 409, done: "hold full 3600" },
  { request: "DELETE /holds/ada", status: 200, done: "release ada" },
  { request: "DELETE /holds/bob", status: 404, done: "release bob" },
  { request: "POST /holds/ada", status: 405 },
  { request: "OPTIONS /holds/ada", status: 405 },
  { request: "GET /", status: 404 },
  { request: "GET /constructor", status: 404 },
  { request: "GET /metrics/", status: 404 },
  // A page that rebinds its name to this address, and pages of other sites.
  { request: "GET /metrics", headers: { host: "rebound.example:9025" }, status: 403 },
  { request: "DELETE /sessions/a1", headers: { host: "localhost.evil.example" }, status: 403 },
  { request: "DELETE /sessions/a1", headers: { host: "LOCALHOST" }, status: 200, done: "end a1" },
  { request: "GET /metrics", headers: { host: "[::1]:9025" }, status: 200 },
  { request: "GET /metrics", headers: { host: "10.0.0.1:9025" }, status: 200 },
  { request: "GET /metrics", headers: { host: "postern" }, access: { token: null, unix: true }, status: 200 },
  { request: "DELETE /sessions/a1", headers: { origin: "http://127.0.0.1:9025" }, status: 403 },
  { request: "GET /metrics", headers: { "sec-fetch-site": "cross-site" }, status: 403 },
  { request: "GET /metrics", headers: { "sec-fetch-site": "none" }, status: 200 },
  // With a token.
  { request: "GET /metrics", access: { token: TOKEN, unix: false }, status: 401 },
  { request: "GET /healthz", access: { token: TOKEN, unix: false }, status: 200 },
  { request: "GET /readyz", access: { token: TOKEN, unix: false }, status: 503 },
  {
    request: "GET /metrics",
    access: { token: TOKEN, unix: false },
    headers: { authorization: `Bearer ${TOKEN}`, host: "postern.example" },
    status: 200,
  },
  {
    request: "DELETE /sessions/a1",
    access: { token: TOKEN, unix: false },
    headers: { authorization: `Bearer ${TOKEN}x` },
    status: 401,
  },
  {
    request: "GET /metrics",
    access: { token: TOKEN, unix: false },
    headers: { authorization: `Basic ${TOKEN}` },
    status: 401,
  },
];

for (const { request, headers = {}, access = OPEN, status, body, done } of rows) {
  const told = JSON.stringify(headers) + (access.token === null ? "" : " with a token");
  Deno.test(`answerAdmin() answers ${request} ${told} with ${status}`, async () => {
    const [method, path] = request.split(" ");
    const did: string[] = [];
    const response = await answerAdmin(
      new Request(`http://127.0.0.1:9025${path}`, {
        method: method!,
        headers: { host: "127.0.0.1:9025", ...headers },
      }),
      source(did),
      access,
    );
    assert.equal(response.status, status);
    const text = await response.text();
    if (body !== undefined) assert.equal(text, body);
    assert.deepEqual(did, done === undefined ? [] : [done]);
    assert.equal(response.headers.has("access-control-allow-origin"), false);
  });
}

Deno.test("answerAdmin() says which methods a path has", async () => {
  const response = await answerAdmin(new Request("http://[::1]/holds", { method: "POST" }), source(), OPEN);
  assert.equal(response.headers.get("allow"), "GET, HEAD");
  await response.body?.cancel();
});

Deno.test("answerAdmin() answers 500 when the source fails", async () => {
  const failing = source([], { metrics: () => Promise.reject(new Error("planted")) });
  const response = await answerAdmin(new Request("http://[::1]/metrics"), failing, OPEN);
  assert.deepEqual([response.status, await response.text()], [500, "planted\n"]);
});
