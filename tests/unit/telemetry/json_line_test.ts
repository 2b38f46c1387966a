import assert from "node:assert/strict";
import type { SessionContext } from "../../../src/ports/telemetry.ts";
import { formatLine } from "../../../src/telemetry/json_line.ts";

const TS = "2026-01-02T03:04:05.006Z";

function session(over: Partial<SessionContext> = {}): SessionContext {
  return {
    id: "s1",
    connection: 7,
    client: { host: "192.0.2.1", port: 4711 },
    listener: "0.0.0.0:25",
    doing: "in auth state",
    starttls: false,
    login: null,
    upstream: null,
    ...over,
  };
}

Deno.test("formatLine() writes time, level, event and message first", () => {
  assert.equal(
    formatLine(TS, "info", "ready", "Postern is ready", null, undefined),
    `{"ts":"${TS}","level":"info","event":"ready","msg":"Postern is ready"}\n`,
  );
});

Deno.test("formatLine() leaves out what is not known of the session", () => {
  assert.equal(
    formatLine(TS, "info", "x", "m", session(), undefined),
    `{"ts":"${TS}","level":"info","event":"x","msg":"m","session":"s1","conn":7,` +
      `"client":"192.0.2.1:4711","listener":"0.0.0.0:25","doing":"in auth state"}\n`,
  );
});

Deno.test("formatLine() writes TLS, login and upstream before the fields", () => {
  const known = session({ starttls: true, login: "j\xc3\xbcrgen", upstream: "192.0.2.9:25" });
  const line = formatLine(TS, "info", "x", "m", known, { code: 250, ok: true, none: null, text: "a\nb" });
  assert.ok(
    line.endsWith(
      `"starttls":true,"login":"jürgen","upstream":"192.0.2.9:25","code":250,"ok":true,"none":null,"text":"a\\nb"}\n`,
    ),
    line,
  );
});

const clients: readonly [SessionContext["client"], string][] = [
  [{ host: "2001:db8::1", port: 25 }, "[2001:db8::1]:25"],
  [{ host: "unix:", port: 0 }, "unix:"],
];
for (const [client, shown] of clients) {
  Deno.test(`formatLine() writes the client ${shown}`, () => {
    const line = formatLine(TS, "info", "x", "m", session({ client }), undefined);
    assert.equal(JSON.parse(line).client, shown);
  });
}

Deno.test("formatLine() writes a number that JSON lacks as null", () => {
  assert.equal(JSON.parse(formatLine(TS, "info", "x", "m", null, { ratio: NaN })).ratio, null);
});

Deno.test("formatLine() lets no login forge a second line", () => {
  const login = 'x"}\r\n{"level":"info","event":"forged"}\x85\xe2\x80\xa8';
  const line = formatLine(TS, "info", "x", "m", session({ login }), undefined);
  assert.deepEqual(line.match(/[\n\r\x85\u2028\u2029]/g), ["\n"]);
  assert.equal(JSON.parse(line).event, "x");
});

Deno.test("formatLine() writes the number of the worker before the session", () => {
  const line = formatLine(TS, "info", "x", "m", session(), { code: 1 }, 2);
  assert.match(line, /"msg":"m","worker":2,"session":"s1"/);
});
