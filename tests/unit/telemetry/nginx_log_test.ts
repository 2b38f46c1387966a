/**
 * The lines of `error_log`, as nginx 1.22.1 wrote them for the same dialogues (but for what is escaped).
 *
 * @module
 */
import assert from "node:assert/strict";
import type { LogFields, LogLevel, SessionContext } from "../../../src/ports/telemetry.ts";
import type { LogSink } from "../../../src/telemetry/log_sink.ts";
import { NginxLog } from "../../../src/telemetry/nginx_log.ts";

const NOON = new Date(2026, 10, 23, 12, 4, 5).getTime();

async function written(level: LogLevel, tell: (log: NginxLog) => void): Promise<string> {
  let text = "";
  const sink: LogSink = {
    write(octets) {
      text += new TextDecoder().decode(octets);
      return Promise.resolve(octets.length);
    },
    reopen: () => Promise.reject(new Deno.errors.NotFound("gone")),
    close: () => {},
  };
  const log = new NginxLog(sink, { level, now: () => NOON });
  tell(log);
  await log.close();
  return text;
}

function context(differing: Partial<SessionContext> = {}): SessionContext {
  return {
    id: "00",
    connection: 7,
    client: { host: "192.0.2.1", port: 4711 },
    listener: "127.0.0.1:25",
    doing: "in auth state",
    starttls: false,
    login: null,
    upstream: null,
    ...differing,
  };
}

const KNOWN = { login: "alice", upstream: "127.0.0.1:2525" } as const;
const ASKING = { login: "alice", doing: "in http auth state" } as const;
const SUFFIX = "client: 192.0.2.1, server: 127.0.0.1:25";
const ALICE = `${SUFFIX}, login: "alice"`;
const AT_UPSTREAM = `${ALICE}, upstream: 127.0.0.1:2525`;

interface Row {
  readonly event: string;
  readonly told: LogLevel;
  readonly message?: string;
  readonly fields?: LogFields;
  readonly session?: Partial<SessionContext>;
  /** Level and line behind `*7 `; null for none. */
  readonly line: string | null;
}

function callout(code: string, line: string, message = "m", got?: string): Row {
  const fields = { code, server: "127.0.0.1:9000", ...(got === undefined ? {} : { got }) };
  return {
    event: "auth_unavailable",
    told: "error",
    message,
    fields,
    session: ASKING,
    line: `[error] ${line} while in http auth state, ${ALICE}`,
  };
}

function upstream(code: string, stage: string, line: string, message = "m"): Row {
  return {
    event: "upstream_failed",
    told: "error",
    message,
    fields: { code, stage },
    session: { ...KNOWN, doing: stage },
    line: `${line}, ${AT_UPSTREAM}`,
  };
}

function end(outcome: string, line: string | null, session: Partial<SessionContext> = {}): Row {
  return { event: "session_closed", told: "info", fields: { outcome, seconds: 1 }, session, line };
}

const READING = "while reading response from upstream";

const ROWS: readonly Row[] = [
  {
    event: "upstream_failover",
    told: "warn",
    message: "Cannot connect to 127.0.0.1:2525: Connection refused (os error 111)",
    fields: { code: "refused", stage: "connecting to upstream" },
    session: { ...KNOWN, doing: "connecting to upstream" },
    line: `[warn] recv() failed (111: Connection refused) ${READING}, ${AT_UPSTREAM}`,
  },
  {
    event: "upstream_resting",
    told: "warn",
    message: "upstream server temporarily disabled",
    fields: { server: "127.0.0.1:2525", seconds: 10 },
    session: { ...KNOWN, doing: "connecting to upstream" },
    line: `[warn] upstream server temporarily disabled while connecting to upstream, ${AT_UPSTREAM}`,
  },
  {
    event: "client_connected",
    told: "info",
    session: { doing: "" },
    line: "[info] client 192.0.2.1:4711 connected to 127.0.0.1:25",
  },
  {
    event: "client_connected",
    told: "info",
    session: { doing: "", client: { host: "2001:db8::1", port: 1 }, listener: "[::]:25" },
    line: "[info] client [2001:db8::1]:1 connected to [::]:25",
  },
  {
    event: "client_connected",
    told: "info",
    session: { doing: "", client: { host: "unix:", port: 0 }, listener: "unix:/run/p.sock" },
    line: "[info] client unix: connected to unix:/run/p.sock",
  },
  {
    event: "client_login_failed",
    told: "info",
    message: 'client login failed: "no"',
    session: ASKING,
    line: `[info] client login failed: "no" while in http auth state, ${ALICE}`,
  },
  {
    event: "client_login_failed",
    told: "info",
    message: 'client login failed: "no"',
    session: { ...ASKING, starttls: true },
    line: '[info] client login failed: "no" while in http auth state, client: 192.0.2.1 using starttls, ' +
      'server: 127.0.0.1:25, login: "alice"',
  },
  {
    event: "client_logged_in",
    told: "info",
    message: "client logged in",
    session: { ...KNOWN, doing: "connecting to upstream" },
    line: `[info] client logged in, ${AT_UPSTREAM}`,
  },
  {
    event: "client_logged_in",
    told: "info",
    message: "client logged in",
    session: { upstream: "127.0.0.1:2525" },
    line: `[info] client logged in, ${SUFFIX}`,
  },
  {
    event: "auth_invalid",
    told: "info",
    message: "client sent invalid base64 encoding in AUTH PLAIN command",
    line: `[info] client sent invalid base64 encoding in AUTH PLAIN command while in auth state, ${SUFFIX}`,
  },
  {
    event: "tls_failed",
    told: "info",
    message: "TLS handshake failed: TLS failed: wrong version",
    fields: { code: "tls" },
    session: { doing: "SSL handshaking" },
    line: `[info] SSL_do_handshake() failed (SSL: wrong version) while SSL handshaking, ${SUFFIX}`,
  },
  {
    event: "tls_failed",
    told: "info",
    message: "TLS handshake failed: Cannot finish the TLS handshake: connection lost",
    fields: { code: "reset" },
    session: { doing: "SSL handshaking", starttls: true },
    line: "[info] peer closed connection in SSL handshake while in starttls state, " +
      "client: 192.0.2.1 using starttls, server: 127.0.0.1:25",
  },
  {
    event: "certificate_refused",
    told: "info",
    message: "client SSL certificate verify error: (certificate has expired)",
    fields: { reason: "certificate has expired" },
    session: { doing: "SSL handshaking" },
    line:
      `[info] client SSL certificate verify error: (10:certificate has expired) while SSL handshaking, ${SUFFIX}`,
  },
  {
    event: "client_lost",
    told: "info",
    message: "Cannot read: Connection reset by peer (os error 104)",
    fields: { code: "reset" },
    line: `[info] recv() failed (104: Connection reset by peer) while in auth state, ${SUFFIX}`,
  },
  {
    event: "relay_lost",
    told: "error",
    message: "Cannot read: Connection reset by peer (os error 104)",
    fields: { side: "upstream" },
    session: { ...KNOWN, doing: "proxying" },
    line: "[error] recv() failed (104: Connection reset by peer) while proxying and reading from upstream, " +
      AT_UPSTREAM,
  },
  {
    event: "relay_lost",
    told: "error",
    message: "upstream prematurely closed connection",
    fields: { side: "upstream" },
    session: { ...KNOWN, doing: "proxying" },
    line: "[error] upstream prematurely closed connection while proxying and reading from upstream, " +
      AT_UPSTREAM,
  },
  end("relayed", `[info] proxied session done, ${AT_UPSTREAM}`, { ...KNOWN, doing: "proxying" }),
  end("relay_timeout", `[info] client timed out (110: Connection timed out) while proxying, ${AT_UPSTREAM}`, {
    ...KNOWN,
    doing: "proxying",
  }),
  end("shutdown", `[info] shutdown timeout while proxying, ${AT_UPSTREAM}`, { ...KNOWN, doing: "proxying" }),
  end("shutdown", null),
  end("timeout", `[info] client timed out (110: Connection timed out) while in auth state, ${SUFFIX}`),
  end(
    "timeout",
    `[info] client timed out (110: Connection timed out) while reading PROXY protocol, ${SUFFIX}`,
    {
      doing: "reading PROXY protocol",
    },
  ),
  end("timeout", null, { doing: "SSL handshaking" }),
  end("quit", null),
  end("client_closed", null),
  end("refused", null, ASKING),
  end("too_many_errors", null),
  callout("timeout", "auth http server 127.0.0.1:9000 timed out (110: Connection timed out)"),
  callout("no_server", "auth http server 127.0.0.1:9000 did not send server or port"),
  callout("invalid_port", "auth http server 127.0.0.1:9000 did not send server or port"),
  callout("invalid_port", 'auth http server 127.0.0.1:9000 sent invalid server port:"65536"', "m", "65536"),
  callout("invalid_server", 'auth http server 127.0.0.1:9000 sent invalid server address:"::g"', "m", "::g"),
  callout("invalid_header", "auth http server 127.0.0.1:9000 sent invalid header in response"),
  callout("invalid_response", "auth http server 127.0.0.1:9000 sent invalid response"),
  callout(
    "connect",
    "recv() failed (111: Connection refused)",
    "expected a connection to the auth service, got: Cannot connect to 127.0.0.1:9000: Connection refused (os error 111)",
  ),
  callout(
    "closed",
    "recv() failed (104: Connection reset by peer)",
    "expected a response, got: Cannot read: Connection reset by peer (os error 104)",
  ),
  callout("closed", "auth http server 127.0.0.1:9000: expected a response head", "expected a response head"),
  callout("status", 'auth http server 127.0.0.1:9000: expected 2xx, got "500"', 'expected 2xx, got "500"'),
  upstream(
    "refused",
    "sending HELO/EHLO to upstream",
    `[error] upstream sent invalid response: "421 no" ${READING}`,
    'upstream sent invalid response: "421 no"',
  ),
  upstream(
    "refused",
    "connecting to upstream",
    `[error] recv() failed (111: Connection refused) ${READING}`,
    "Cannot connect to 127.0.0.1:2525: Connection refused (os error 111)",
  ),
  upstream(
    "unreachable",
    "connecting to upstream",
    "[error] connect() to 127.0.0.1:2525 failed (101: Network is unreachable) while connecting to upstream",
    "Cannot connect to 127.0.0.1:2525: Network is unreachable (os error 101)",
  ),
  upstream(
    "timeout",
    "reading response from upstream",
    "[info] upstream timed out (110: Connection timed out) while connecting to upstream",
  ),
  upstream(
    "timeout",
    "sending AUTH to upstream",
    "[info] upstream timed out (110: Connection timed out) while sending AUTH to upstream",
  ),
  upstream(
    "no_password",
    "sending HELO/EHLO to upstream",
    "[error] no password available while sending AUTH to upstream",
    "the login has no password to pass on",
  ),
];

for (const { event, told, message = "m", fields, session, line } of ROWS) {
  Deno.test(`NginxLog writes ${event} ${JSON.stringify(fields ?? {})} as ${line}`, async () => {
    const text = await written("debug", (log) => log.event(told, event, message, context(session), fields));
    const [level, ...rest] = (line ?? "").split("] ");
    const expected = `2026/11/23 12:04:05 ${level}] ${Deno.pid}#${Deno.pid}: *7 ${rest.join("] ")}\n`;
    assert.equal(text, line === null ? "" : expected);
  });
}

Deno.test("NginxLog writes what concerns no session without a connection", async () => {
  const text = await written("notice", (log) => log.event("notice", "ready", "postern is ready", null));
  assert.equal(text, `2026/11/23 12:04:05 [notice] ${Deno.pid}#${Deno.pid}: postern is ready\n`);
});

Deno.test("NginxLog judges an event by nginx's level", async () => {
  const timedOut = (log: NginxLog) =>
    log.event("error", "upstream_failed", "upstream timed out", context(KNOWN), { code: "timeout" });
  assert.equal(await written("error", timedOut), "");
  assert.notEqual(await written("info", timedOut), "");
});

Deno.test("NginxLog is enabled from its level on", () => {
  const log = new NginxLog({} as LogSink, { level: "error" });
  assert.deepEqual((["info", "warn", "error", "crit"] as const).map((level) => log.enabled(level)), [
    false,
    false,
    true,
    true,
  ]);
});

Deno.test("NginxLog lets no peer forge a line or another client's address", async () => {
  const login =
    'eve\r\n2026/11/23 12:00:00 [info] 1#1: *1 client login failed: "x", client: 10.0.0.1", client: 10.0.0.2';
  const text = await written("info", (log) => {
    log.event(
      "info",
      "client_login_failed",
      'client login failed: "a\nb\x9b"',
      context({ ...ASKING, login }),
    );
  });
  assert.equal(text.split("\n").length, 2, text);
  assert.match(
    text,
    /"a\\x0Ab\\x9B" while in http auth state, client: 192\.0\.2\.1, server: 127\.0\.0\.1:25, login: /,
  );
  assert.equal(
    /, login: "([^"]*)"\n$/.exec(text)?.[1],
    login.replaceAll("\r\n", "\\x0D\\x0A").replaceAll('"', "\\x22"),
  );
});

Deno.test("NginxLog shows a login of UTF-8 as text, and cuts what is too long before the client's address", async () => {
  const long = await written("info", (log) => {
    log.event("info", "line_too_long", "x".repeat(5000), context({ login: "J\xc3\xbcrgen" }));
  });
  assert.match(
    long,
    /x\.\.\. while in auth state, client: 192\.0\.2\.1, server: 127\.0\.0\.1:25, login: "Jürgen"\n$/,
  );
  assert.ok(long.length < 2048);
});

Deno.test("NginxLog tells that lines were dropped, and that the file cannot be opened again", async () => {
  const text = await written("error", (log) => {
    log.event("error", "ready", "x".repeat(1400), null);
    for (let i = 0; i < 1000; i++) log.event("error", "ready", "y".repeat(1400), null);
    void log.reopen();
  });
  assert.match(text, /\[warn\] \d+#\d+: \d+ log lines were dropped\n/);
  assert.match(text, /\[error\] \d+#\d+: cannot reopen the log: gone\n/);
});

/** As filters of fail2ban and others have them for nginx's mail log. */
const FILTERS: readonly RegExp[] = [
  /^.* \[info\] \d+#\d+: \*\d+ client login failed: ".*" while in http auth state, client: (\S+), server:/,
  /client login failed:.*while in http auth state, client: (\S+), server: \S+, login: "[^"]*"/,
  /\[(?:error|info)\] \d+#\d+: \*\d+ .*client: ([0-9a-f.:]+),? (?:using starttls, )?server: \S+/,
];

for (const filter of FILTERS) {
  Deno.test(`the filter ${filter.source} finds the client of a failed login`, async () => {
    for (const host of ["192.0.2.1", "2001:db8::1"]) {
      const session = context({ ...ASKING, client: { host, port: 4711 } });
      const text = await written("info", (log) => {
        log.event("info", "client_login_failed", 'client login failed: "Invalid login"', session);
      });
      assert.equal(filter.exec(text)?.[1], host, text);
    }
  });
}
