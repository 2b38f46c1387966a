import assert from "node:assert/strict";
import { explainAnswer } from "../../../src/app/explain_answer.ts";
import type { AuthAnswer, UpstreamChoices } from "../../../src/ports/auth_backend.ts";
import type { ClientQuestion } from "../../../src/session/client_machine.ts";
import { loadGood } from "../config/reading.ts";

const QUESTION: ClientQuestion = {
  method: "plain",
  user: "ada",
  secret: "secret",
  salt: null,
  attempt: 1,
  envelope: null,
};
const NONE: UpstreamChoices = { tls: null, auth: null, xclient: null, proxyProtocol: null };

function yes(fields: Partial<Extract<AuthAnswer, { kind: "accepted" }>> = {}): AuthAnswer {
  const upstreams = [{ kind: "tcp", host: "192.0.2.9", port: 25 }] as const;
  return { kind: "accepted", upstreams, user: null, secret: null, choices: NONE, ...fields };
}

function explain(answer: AuthAnswer, directives = "", question: Partial<ClientQuestion> = {}): string[] {
  const { servers } = loadGood(
    `mail:\n  auth_http: 127.0.0.1:9000\n${directives}  servers:\n    - listen: 25\n`,
  );
  const upstreamTls = {
    verify: servers[0]!.proxy_ssl_verify,
    trustedCertificates: null,
    certificate: null,
    certificateKey: null,
  };
  return explainAnswer(answer, { ...QUESTION, ...question }, { settings: servers[0]!, upstreamTls }, {
    client: { host: "192.0.2.7", port: 4711 },
    clientHost: "[UNAVAILABLE]",
    local: { kind: "tcp", host: "192.0.2.1", port: 25 },
    tls: null,
    helo: "client.test",
    esmtp: true,
  });
}

const rows: readonly [name: string, lines: string[], expected: RegExp][] = [
  ["a plain yes", explain(yes()), /^accepted as "ada"\nmail server: 192\.0\.2\.9:25\nTLS to it: none\n/],
  ["XCLIENT", explain(yes()), /\nXCLIENT to it: as far as it is offered, of ADDR=192\.0\.2\.7 .*LOGIN=ada/],
  ["no XCLIENT", explain(yes(), "  xclient: off\n"), /\nXCLIENT to it: none\n/],
  ["a PROXY header", explain(yes(), "  proxy_protocol: v2\n"), /\nPROXY header to it: one with/],
  [
    "TLS by the configuration",
    explain(yes(), "  proxy_ssl: on\n  proxy_ssl_verify: off\n"),
    /\nTLS to it: from the first octet, with whatever certificate/,
  ],
  [
    "TLS by the answer",
    explain(yes({ choices: { ...NONE, tls: "starttls" } }), "  proxy_ssl_name: mx.test\n"),
    /\nTLS to it: with STARTTLS, with a certificate for "mx\.test" that is verified\n/,
  ],
  [
    "several mail servers",
    explain(yes({ upstreams: [{ kind: "unix", path: "/a" }, { kind: "tcp", host: "::1", port: 26 }] })),
    /\nmail server: unix:\/a, then \[::1\]:26\n/,
  ],
  ["no sign-in", explain(yes()), /\nsign-in there: none$/],
  [
    "credentials in clear to another host",
    explain(yes(), "  proxy_smtp_auth: on\n"),
    /\nsign-in there: fails: credentials go in clear only to this host/,
  ],
  [
    "credentials to this host",
    explain(
      yes({ upstreams: [{ kind: "tcp", host: "127.0.0.1", port: 25 }], secret: "x" }),
      "  proxy_smtp_auth: on\n",
    ),
    /\nsign-in there: as "ada" with a mechanism that it offers; the password is that of Auth-Pass$/,
  ],
  [
    "a digest that is no password",
    explain(yes(), "  proxy_smtp_auth: on\n", { method: "cram-md5" }),
    /\nsign-in there: fails: there is no password to pass on/,
  ],
  [
    "a refusal",
    explain({ kind: "refused", text: "No\x1b[2J", code: "550 5.7.1", waitMs: null, saslChallenge: null }),
    /^refused: the client is told "550 5\.7\.1 No\\x1B\[2J"\nat once/,
  ],
  [
    "a failure",
    explain({ kind: "failed", code: "status", reason: "expected 2xx", got: "500" }),
    /^no usable answer \(status\): expected 2xx\nwhat came: "500"\n/,
  ],
];

for (const [name, lines, expected] of rows) {
  Deno.test(`explainAnswer() explains ${name}`, () => assert.match(lines.join("\n"), expected));
}
