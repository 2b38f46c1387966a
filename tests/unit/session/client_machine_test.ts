import assert from "node:assert/strict";
import { decodeLatin1 } from "../../../src/bytes/latin1.ts";
import {
  type ClientEffect,
  type ClientEvent,
  type ClientRules,
  type ClientState,
  initialClientState,
  stepClient,
} from "../../../src/session/client_machine.ts";
import type { Pipelining } from "../../../src/session/pipelining.ts";
import { reply, serverReplies } from "../../../src/session/replies.ts";
import { ehloLines } from "../../../src/policy/capabilities.ts";
import type { SmtpAuthMethod } from "../../../src/config/settings.ts";
import type { AuthAnswer } from "../../../src/ports/auth_backend.ts";

interface Setting {
  readonly starttls?: "off" | "on" | "only";
  readonly methods?: readonly SmtpAuthMethod[];
  readonly maxErrors?: number;
  readonly maxCommands?: number;
  readonly pipelining?: Pipelining;
  readonly secure?: boolean;
  readonly compat?: boolean;
  readonly maxMessageOctets?: number;
  readonly refusesNul?: boolean;
}

let salts = 0;

function rulesOf(setting: Setting): ClientRules {
  const starttls = setting.starttls ?? "off";
  const smtp_auth = setting.methods ?? ["plain", "login"];
  const lines = ehloLines({
    ...{ smtp_auth, smtp_capabilities: ["PIPELINING"], starttls },
    ...{ smtp_guard: true, smtp_max_message_size: null },
  });
  return {
    replies: serverReplies("mx.test", lines),
    starttls,
    methods: new Set(smtp_auth),
    maxErrors: setting.maxErrors ?? 5,
    maxCommands: setting.maxCommands ?? 1000,
    pipelining: setting.pipelining ?? "unchecked",
    maxMessageOctets: setting.maxMessageOctets ?? Infinity,
    refusesNul: setting.refusesNul ?? false,
    compat: setting.compat ?? false,
    newSalt: () => `<${++salts}.1@mx.test>`,
  };
}

const ACCEPTED: AuthAnswer = {
  kind: "accepted",
  upstreams: [{ kind: "tcp", host: "127.0.0.1", port: 25 }],
  user: null,
  secret: null,
  choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
};
const FAILED: AuthAnswer = { kind: "failed", code: "connect", reason: "refused" };

function refused(fields: Partial<Extract<AuthAnswer, { kind: "refused" }>> = {}): AuthAnswer {
  return { kind: "refused", text: "Bad creds", code: null, waitMs: null, saslChallenge: null, ...fields };
}

/** One line a step: a string is a line of the client, anything else an event. */
type Input = string | ClientEvent;

/** Effects in short: the reply's text, or `[effect ...]`. */
function show(effect: ClientEffect): string {
  switch (effect.do) {
    case "reply":
      return decodeLatin1(effect.reply.bytes).trimEnd().replaceAll("\r\n", " / ");
    case "ask": {
      const { method, user, secret, salt, attempt, envelope } = effect.question;
      const parts = [method, user, secret, salt ?? "-", `#${attempt}`];
      if (envelope !== null) parts.push(envelope.helo, envelope.mail, envelope.rcpt);
      return `[ask ${parts.join("|")}]`;
    }
    case "wait":
      return `[wait ${effect.milliseconds}]`;
    case "close":
      return `[close ${effect.outcome}${effect.linger ? " lingering" : ""}]`;
    case "foreign":
      return `[foreign ${effect.protocol}]`;
    case "note":
      return `[note ${effect.event}]`;
    default:
      return `[${effect.do}]`;
  }
}

/** Effects that nothing comes of. */
const AT_ONCE: ReadonlySet<ClientEffect["do"]> = new Set(["reply", "note", "foreign"]);

function play(setting: Setting, inputs: readonly Input[]): { shown: string[]; state: ClientState } {
  const rules = rulesOf(setting);
  let state = initialClientState(setting.secure ?? false);
  const shown: string[] = [];
  for (const input of inputs) {
    const step = stepClient(state, typeof input === "string" ? { kind: "line", line: input } : input, rules);
    state = step.state;
    // The driver goes on with what the last one brings.
    assert.ok(
      step.effects.slice(0, -1).every((effect) => AT_ONCE.has(effect.do)),
      "the last effect alone may wait",
    );
    shown.push(step.effects.map(show).join(" "));
  }
  return { shown, state };
}

const b64 = (text: string) => btoa(text);
const ok = "250 2.0.0 OK";
const unreadable = "501 5.5.2 Cannot read the authentication response";
const tlsFirst = "530 5.7.0 Must issue a STARTTLS command first";
const outOfStep =
  "[note pipelining] 554 5.5.0 Error: SMTP protocol synchronization [close pipelining lingering]";
const ADMITTED: Input = { kind: "tls_admitted", admitted: true };
/** A line with something behind it. */
const more = (line: string): Input => ({ kind: "line", line, more: true });
const invalid = "500 5.5.1 Invalid command";

const CASES: readonly {
  readonly name: string;
  readonly setting?: Setting;
  readonly dialogue: readonly (readonly [Input, string])[];
}[] = [
  {
    name: "answers the commands of spec §2.4",
    dialogue: [
      ["HELO me", "250 mx.test"],
      ["HELO", "501 5.5.4 Invalid argument"],
      ["EHLO a b", "501 5.5.4 Invalid argument"],
      ["EHLO me", "250-mx.test / 250-PIPELINING / 250 AUTH PLAIN LOGIN"],
      ["noop whatever", ok],
      ["RSET", ok],
      ["VRFY x", invalid],
      ["EXPN x", invalid],
      ["HELP", invalid],
      ["STARTTLS", invalid],
      ["MAIL FROM:<a@b>", "[note mail_rejected] 530 5.7.1 Authentication required"],
      ["RCPT TO:<a@b>", "503 5.5.1 Bad sequence of commands"],
      ["QUIT", "221 2.0.0 Bye [close quit]"],
    ],
  },
  {
    name: "counts what the parser rejects, and nothing else, towards max_errors",
    setting: { maxErrors: 3 },
    dialogue: [
      ["DATA", invalid],
      ["VRFY", invalid],
      ["AUTH", "501 5.5.4 Invalid argument"],
      ["", invalid],
      ["AUTH PLAIN =", `[note auth_invalid] ${unreadable}`],
      ["BDAT 1 LAST", `[note too_many_errors] ${invalid} [close too_many_errors lingering]`],
    ],
  },
  {
    name: "treats max_errors 0 as 1",
    setting: { maxErrors: 0 },
    dialogue: [["XXXX", `[note too_many_errors] ${invalid} [close too_many_errors lingering]`]],
  },
  {
    name: "keeps max_errors across STARTTLS",
    setting: { maxErrors: 2, starttls: "on" },
    dialogue: [
      ["XXXX", invalid],
      ["STARTTLS", "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
      [{ kind: "tls_started" }, ""],
      ["XXXX", `[note too_many_errors] ${invalid} [close too_many_errors lingering]`],
    ],
  },
  {
    name: 'offers AUTH before TLS with "starttls: on"',
    setting: { starttls: "on" },
    dialogue: [
      ["EHLO me", "250-mx.test / 250-PIPELINING / 250-AUTH PLAIN LOGIN / 250 STARTTLS"],
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
    ],
  },
  {
    name: 'does nothing but EHLO, NOOP, QUIT and STARTTLS before TLS with "starttls: only"',
    setting: { starttls: "only", methods: ["plain", "none"] },
    dialogue: [
      ["EHLO me", "250-mx.test / 250-PIPELINING / 250 STARTTLS"],
      ["NOOP", ok],
      ...[
        `AUTH PLAIN ${b64("\0u\0p")}`,
        "AUTH",
        "HELO me",
        "RSET",
        "VRFY x",
        "EXPN x",
        "HELP",
        "MAIL FROM:<a@b>",
      ]
        .map((line): [string, string] => [line, tlsFirst]),
      ["RCPT TO:<a@b>", tlsFirst],
      ["DATA", invalid],
      ["STARTTLS", "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
      [{ kind: "tls_started" }, ""],
      ["STARTTLS", invalid],
      ["EHLO me", "250-mx.test / 250-PIPELINING / 250 AUTH PLAIN"],
      ["MAIL FROM:<a@b>", ok],
    ],
  },
  {
    name: 'says with "starttls: only" that a login is needed, where it is and nginx\'s way holds',
    setting: { starttls: "only", methods: ["plain"], compat: true },
    dialogue: [
      ["MAIL FROM:<a@b>", "[note mail_rejected] 530 5.7.1 Authentication required"],
      ["RCPT TO:<a@b>", "503 5.5.1 Bad sequence of commands"],
      ["AUTH PLAIN", invalid],
      ["HELO me", "250 mx.test"],
      ["STARTTLS now", "[admit_tls]"],
    ],
  },
  {
    name: 'refuses MAIL before TLS with "starttls: only" also where nginx\'s way holds, if it needs no login',
    setting: { starttls: "only", methods: ["none"], compat: true },
    dialogue: [["MAIL FROM:<a@b>", tlsFirst]],
  },
  {
    name: "forgets HELO, MAIL and the EHLO mark at STARTTLS",
    setting: { starttls: "on", methods: ["none"] },
    dialogue: [
      ["EHLO before", "250-mx.test / 250-PIPELINING / 250 STARTTLS"],
      ["MAIL FROM:<a@b>", ok],
      ["STARTTLS", "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
      [{ kind: "tls_started" }, ""],
      ["RCPT TO:<c@d>", "503 5.5.1 Bad sequence of commands"],
      ["MAIL FROM:<a@b>", ok],
      ["RCPT TO:<c@d>", "[ask none|||-|#1||MAIL FROM:<a@b>|RCPT TO:<c@d>]"],
    ],
  },
  {
    name: "asks about the envelope with method none, and says the mail server's own reply to RCPT",
    setting: { methods: ["none"] },
    dialogue: [
      ["EHLO me", "250-mx.test / 250 PIPELINING"],
      ["mail FROM:<a@b>  SIZE=1  ", ok],
      ["MAIL FROM:<a@b>", "503 5.5.1 Bad sequence of commands"],
      ["RCPT", "501 5.5.4 Invalid argument"],
      ["RCPT TO:<c@d>", "[ask none|||-|#1|me|mail FROM:<a@b>  SIZE=1|RCPT TO:<c@d>]"],
      [{ kind: "answered", answer: ACCEPTED }, "[connect]"],
      [
        { kind: "upstream_ready", rcptReply: reply("550 5.1.1 No such user") },
        "550 5.1.1 No such user [relay]",
      ],
    ],
  },
  {
    name: "keeps MAIL after a refusal with Auth-Wait, and counts the next question",
    setting: { methods: ["none"] },
    dialogue: [
      ["MAIL FROM:<a@b>", ok],
      ["RCPT TO:<c@d>", "[ask none|||-|#1||MAIL FROM:<a@b>|RCPT TO:<c@d>]"],
      [
        { kind: "answered", answer: refused({ waitMs: 1000, code: "450 4.7.1", text: "Later" }) },
        "[wait 1000]",
      ],
      [{ kind: "waited" }, "450 4.7.1 Later"],
      ["RCPT TO:<e@f>", "[ask none|||-|#2||MAIL FROM:<a@b>|RCPT TO:<e@f>]"],
    ],
  },
  {
    name: "closes after a refusal without Auth-Wait",
    dialogue: [
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
      [{ kind: "answered", answer: refused() }, "535 5.7.0 Bad creds [close refused lingering]"],
    ],
  },
  {
    name: "answers a failed callout with a temporary failure and closes",
    dialogue: [
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
      [
        { kind: "answered", answer: FAILED },
        "451 4.3.2 Internal server error [close auth_unavailable lingering]",
      ],
    ],
  },
  {
    name: "says 235 only when the mail server is ready",
    dialogue: [
      ["AUTH LOGIN", "334 VXNlcm5hbWU6"],
      [b64("u"), "334 UGFzc3dvcmQ6"],
      [b64("p"), "[ask plain|u|p|-|#1]"],
      [{ kind: "answered", answer: ACCEPTED }, "[connect]"],
      [{ kind: "upstream_ready", rcptReply: null }, "235 2.0.0 OK [relay]"],
    ],
  },
  {
    name: "passes the mail server's refusal on, or says 451",
    dialogue: [
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
      [{ kind: "answered", answer: ACCEPTED }, "[connect]"],
      [
        { kind: "upstream_failed", reply: reply("421 4.3.0 Busy") },
        "421 4.3.0 Busy [close upstream_failed lingering]",
      ],
    ],
  },
  {
    name: "takes an initial response to AUTH LOGIN, and empty logins and passwords",
    dialogue: [
      [`AUTH LOGIN ${b64("u")}`, "334 UGFzc3dvcmQ6"],
      ["=", "[ask plain|u||-|#1]"],
      [{ kind: "answered", answer: refused({ waitMs: 1 }) }, "[wait 1]"],
      [{ kind: "waited" }, "535 5.7.0 Bad creds"],
      ["auth login", "334 VXNlcm5hbWU6"],
      ["", "334 UGFzc3dvcmQ6"],
      ["", "[ask plain|||-|#2]"],
    ],
  },
  {
    name: "asks for the response of AUTH PLAIN with an empty challenge",
    dialogue: [
      ["AUTH PLAIN", "334"],
      [`${b64("zid\0u\0p\0q")} ignored`, "[ask plain|u|p\0q|-|#1]"],
    ],
  },
  {
    name: "refuses a mechanism that is not listed, known or not",
    setting: { methods: ["cram-md5", "none"] },
    dialogue: [
      [`AUTH PLAIN ${b64("\0u\0p")}`, "504 5.5.4 Unrecognized authentication type"],
      ["AUTH LOGIN", "504 5.5.4 Unrecognized authentication type"],
      [`AUTH EXTERNAL ${b64("u")}`, "504 5.5.4 Unrecognized authentication type"],
      ["AUTH NONE", "504 5.5.4 Unrecognized authentication type"],
      ["AUTH GSSAPI", "504 5.5.4 Unrecognized authentication type"],
    ],
  },
  {
    name: 'takes PLAIN and LOGIN unlisted, and refuses others with 500, with "compat: nginx"',
    setting: { methods: ["none"], compat: true },
    dialogue: [
      ["AUTH GSSAPI", invalid],
      ["AUTH CRAM-MD5", invalid],
      [`AUTH EXTERNAL ${b64("u")}`, invalid],
      ["AUTH LOGIN", "334 VXNlcm5hbWU6"],
      ["*", `[note auth_invalid] ${invalid}`],
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
    ],
  },
  {
    name: "rejects broken SASL responses without counting them, and the cancellation",
    setting: { maxErrors: 1 },
    dialogue: [
      ["AUTH PLAIN !!!", `[note auth_invalid] ${unreadable}`],
      ["AUTH PLAIN *", `[note auth_invalid] ${unreadable}`],
      [`AUTH PLAIN ${b64("no NUL")}`, `[note auth_invalid] ${unreadable}`],
      ["AUTH PLAIN a b", "501 5.5.4 Invalid argument"],
      ["AUTH PLAIN", "334"],
      ["*", "[note auth_cancelled] 501 5.0.0 Authentication cancelled"],
      ["AUTH LOGIN", "334 VXNlcm5hbWU6"],
      ["a\rb", unreadable],
      ["NOOP", ok],
    ],
  },
  {
    name: 'says 500 to broken SASL responses and to the cancellation with "compat: nginx"',
    setting: { compat: true, methods: ["plain", "cram-md5"] },
    dialogue: [
      ["AUTH PLAIN !!!", `[note auth_invalid] ${invalid}`],
      ["AUTH PLAIN a b", invalid],
      ["AUTH CRAM-MD5 x", `[note auth_invalid] ${invalid}`],
      ["AUTH PLAIN", "334"],
      ["*", `[note auth_invalid] ${invalid}`],
    ],
  },
  {
    name: "refuses an initial response to CRAM-MD5, which has none, as a wrong argument",
    setting: { methods: ["cram-md5"] },
    dialogue: [["AUTH CRAM-MD5 x", "[note auth_invalid] 501 5.5.4 Invalid argument"]],
  },
  {
    name: "refuses AUTH between MAIL and RCPT, but where nginx's way holds",
    setting: { methods: ["plain", "none"] },
    dialogue: [
      ["MAIL FROM:<a@b>", ok],
      ["AUTH PLAIN", "503 5.5.1 Bad sequence of commands"],
      ["RSET", ok],
      ["AUTH PLAIN", "334"],
    ],
  },
  {
    name: "refuses STARTTLS with an argument",
    setting: { starttls: "on" },
    dialogue: [["STARTTLS now", "501 5.5.4 Invalid argument"], ["STARTTLS", "[admit_tls]"]],
  },
  {
    name: "goes on in clear when no more handshakes may be under way",
    setting: { starttls: "only" },
    dialogue: [
      ["STARTTLS", "[admit_tls]"],
      [{ kind: "tls_admitted", admitted: false }, "454 4.7.0 TLS not available at the moment"],
      ["MAIL FROM:<a@b>", tlsFirst],
      ["STARTTLS", "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
    ],
  },
  {
    name: "ends the session after max_commands, which go on counting in TLS",
    setting: { maxCommands: 4, starttls: "on" },
    dialogue: [
      ["NOOP", ok],
      ["STARTTLS", "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
      [{ kind: "tls_started" }, ""],
      ["AUTH LOGIN", "334 VXNlcm5hbWU6"],
      ["*", "[note auth_cancelled] 501 5.0.0 Authentication cancelled"],
      ["XXXX", invalid],
      [
        "QUIT",
        "[note too_many_commands] 421 4.7.0 Too many commands, closing connection " +
        "[close too_many_commands lingering]",
      ],
    ],
  },
  ...([
    ["GET / HTTP/1.1", "http", true],
    ["Subject: hello", "header", true],
    ["SSH-2.0-x", "ssh", false],
    ["PROXY TCP4 192.0.2.1 192.0.2.2 1 2", "proxy", false],
    ["\x16\x03\x01", "tls", false],
  ] as const).map(([line, protocol, heard]) => ({
    name: `closes at once when ${protocol} is spoken`,
    dialogue: [
      [
        line,
        `[foreign ${protocol}] ${heard ? "421 4.7.0 This is an SMTP server, closing connection " : ""}` +
        "[close not_smtp lingering]",
      ],
    ] as const,
  })),
  {
    name: 'says 500 to what is no SMTP with "compat: nginx"',
    setting: { compat: true },
    dialogue: [["GET / HTTP/1.1", invalid], ["\x16\x03\x01", invalid]],
  },
  {
    name: "closes when what has come cannot begin a line",
    dialogue: [[{ kind: "binary", begin: "\x16\x03\x01" }, "[foreign tls] [close not_smtp lingering]"]],
  },
  {
    name: "lets groups of RFC 2920 pass after EHLO where PIPELINING is announced",
    setting: { pipelining: "groups", methods: ["none"] },
    dialogue: [
      ["EHLO me", "250-mx.test / 250 PIPELINING"],
      [more("RSET"), ok],
      [more("MAIL FROM:<a@b>"), ok],
      [more("RCPT TO:<c@d>"), "[ask none|||-|#1|me|MAIL FROM:<a@b>|RCPT TO:<c@d>]"],
    ],
  },
  ...(["EHLO me", "HELO me", "NOOP", "VRFY x", "AUTH LOGIN", "XXXX"] as const).map((line) => ({
    name: `turns a client away that does not wait for the reply to ${line}`,
    setting: { pipelining: "groups" } as const,
    dialogue: [["EHLO me", "250-mx.test / 250-PIPELINING / 250 AUTH PLAIN LOGIN"], [
      more(line),
      outOfStep,
    ]] as const,
  })),
  {
    name: "turns a client away that pipelines without EHLO",
    setting: { pipelining: "groups", methods: ["none"] },
    dialogue: [["HELO me", "250 mx.test"], [more("MAIL FROM:<a@b>"), outOfStep]],
  },
  {
    name: "turns a client away that pipelines though PIPELINING is not announced",
    setting: { pipelining: "forbidden", methods: ["none"] },
    dialogue: [["EHLO me", "250-mx.test / 250 PIPELINING"], [more("MAIL FROM:<a@b>"), outOfStep]],
  },
  {
    name: "turns a client away that does not wait in a SASL exchange",
    setting: { pipelining: "groups" },
    dialogue: [["AUTH LOGIN", "334 VXNlcm5hbWU6"], [more(b64("u")), outOfStep]],
  },
  {
    name: "does not mind what follows QUIT and STARTTLS, of which nothing is done",
    setting: { pipelining: "forbidden", starttls: "on" },
    dialogue: [
      [more("STARTTLS"), "[admit_tls]"],
      [ADMITTED, "220 2.0.0 Start TLS [start_tls]"],
      [{ kind: "tls_started" }, ""],
      [more("QUIT"), "221 2.0.0 Bye [close quit]"],
    ],
  },
  {
    name: "takes EXTERNAL with and without an initial response where it is listed",
    setting: { methods: ["external"], secure: true },
    dialogue: [
      ["AUTH EXTERNAL", "334 VXNlcm5hbWU6"],
      ["=", "[ask external|||-|#1]"],
      [{ kind: "answered", answer: refused({ waitMs: 5 }) }, "[wait 5]"],
      [{ kind: "waited" }, "535 5.7.0 Bad creds"],
      [`auth external ${b64("me@x")}`, "[ask external|me@x||-|#2]"],
    ],
  },
  {
    name: "sends a refused bearer token's error as a challenge before the failure",
    setting: { methods: ["oauthbearer", "xoauth2"] },
    dialogue: [
      [`AUTH XOAUTH2 ${b64("user=u\x01auth=Bearer tok\x01\x01")}`, "[ask xoauth2|u|tok|-|#1]"],
      [{ kind: "answered", answer: refused({ waitMs: 7, saslChallenge: "e30=" }) }, "[wait 7]"],
      [{ kind: "waited" }, "334 e30="],
      ["", "535 5.7.0 Bad creds"],
      [`AUTH OAUTHBEARER ${b64("n,a=u,\x01auth=Bearer tok\x01\x01")}`, "[ask oauthbearer|u|tok|-|#2]"],
      [{ kind: "answered", answer: refused({ saslChallenge: "e30=" }) }, "334 e30="],
      ["AQ==", "535 5.7.0 Bad creds [close refused lingering]"],
    ],
  },
  {
    name: "does not send a SASL error to a mechanism that has none",
    dialogue: [
      [`AUTH PLAIN ${b64("\0u\0p")}`, "[ask plain|u|p|-|#1]"],
      [
        { kind: "answered", answer: refused({ saslChallenge: "e30=" }) },
        "535 5.7.0 Bad creds [close refused lingering]",
      ],
    ],
  },
  {
    name: "ends the session after a line that is too long",
    dialogue: [
      [
        { kind: "line_too_long", begin: "" },
        `[note line_too_long] ${invalid} [close line_too_long lingering]`,
      ],
    ],
  },
  {
    name: "says that an authentication line is too long in its own words",
    dialogue: [
      ["AUTH PLAIN", "334"],
      [
        { kind: "line_too_long", begin: "" },
        "[note line_too_long] 500 5.5.6 Authentication exchange line is too long [close line_too_long lingering]",
      ],
    ],
  },
];

for (const { name, setting, dialogue } of CASES) {
  Deno.test(`stepClient() ${name}`, () => {
    const { shown } = play(setting ?? {}, dialogue.map(([input]) => input));
    assert.deepEqual(shown, dialogue.map(([, expected]) => expected));
  });
}

Deno.test("stepClient() makes a fresh CRAM-MD5 challenge for every attempt", () => {
  const digest = "0123456789abcdef0123456789abcdef";
  const setting: Setting = { methods: ["cram-md5"] };
  const { shown } = play(setting, [
    "AUTH CRAM-MD5",
    b64(`u ${digest}`),
    { kind: "answered", answer: refused({ waitMs: 1 }) },
    { kind: "waited" },
    "AUTH CRAM-MD5",
    "AUTH CRAM-MD5 x",
  ]);
  const first = atob(shown[0]!.slice(4));
  const second = atob(shown[4]!.slice(4));
  assert.match(first, /^<\d+\.1@mx\.test>$/);
  assert.notEqual(first, second);
  assert.equal(shown[1], `[ask cram-md5|u|${digest}|${first}|#1]`);
});

Deno.test("stepClient() never carries a failed login's credentials into a question of method none", () => {
  const { shown } = play({ methods: ["plain", "none"] }, [
    `AUTH PLAIN ${b64("\0mallory\0secret")}`,
    { kind: "answered", answer: refused({ waitMs: 1 }) },
    { kind: "waited" },
    "MAIL FROM:<a@b>",
    "RCPT TO:<c@d>",
  ]);
  assert.equal(shown[4], "[ask none|||-|#2||MAIL FROM:<a@b>|RCPT TO:<c@d>]");
});

Deno.test("stepClient() keeps the EHLO mark when HELO follows (spec §2.4)", () => {
  const { state } = play({}, ["EHLO a", "HELO b"]);
  assert.ok("known" in state);
  assert.deepEqual({ helo: state.known.helo, esmtp: state.known.esmtp }, { helo: "b", esmtp: true });
});

Deno.test("stepClient() keeps the EHLO mark across STARTTLS with compat only", () => {
  for (const compat of [false, true]) {
    const { state } = play({ starttls: "on", compat }, ["EHLO a", "STARTTLS", { kind: "tls_started" }]);
    assert.ok("known" in state);
    assert.equal(state.known.esmtp, compat);
    assert.equal(state.known.helo, "");
  }
});

Deno.test("stepClient() refuses events that a phase cannot have", () => {
  const events: ClientEvent[] = [
    { kind: "tls_started" },
    { kind: "answered", answer: FAILED },
    { kind: "waited" },
    { kind: "upstream_ready", rcptReply: null },
    { kind: "upstream_failed", reply: null },
  ];
  for (const event of events) {
    assert.throws(() => stepClient(initialClientState(false), event, rulesOf({})), TypeError, event.kind);
  }
  const asking = play({}, [`AUTH PLAIN ${b64("\0u\0p")}`]).state;
  assert.throws(() => stepClient(asking, { kind: "line", line: "NOOP" }, rulesOf({})), TypeError);
});

Deno.test("MAIL that announces more than the limit with SIZE gets 552, where mail needs no login", () => {
  const rules = rulesOf({ methods: ["none"], maxMessageOctets: 1000 });
  const said = (line: string) => {
    const { effects } = stepClient(initialClientState(false), { kind: "line", line }, rules);
    return effects.flatMap((effect) => effect.do === "reply" ? [effect.reply.code] : []);
  };
  assert.deepEqual(said("MAIL FROM:<a@b.test> SIZE=1001"), [552]);
  assert.deepEqual(said("MAIL FROM:<a@b.test> SIZE=1000"), [250]);
  assert.deepEqual(said("MAIL FROM:<a@b.test>"), [250]);
});

Deno.test("a NUL in a command gets 500 where smtp_nul refuses it, before the mail server hears of it", () => {
  for (const line of ["EHLO a\0b", "MAIL FROM:<a\0@b.test>", "NOOP \0"]) {
    const codes = [true, false].map((refusesNul) => {
      const { effects } = stepClient(
        initialClientState(false),
        { kind: "line", line },
        rulesOf({ methods: ["none"], refusesNul }),
      );
      return effects.flatMap((effect) => effect.do === "reply" ? [effect.reply.code] : []);
    });
    assert.deepEqual(codes, [[500], [250]], line);
  }
});
