import assert from "node:assert/strict";
import type { Reply } from "../../../src/grammar/reply.ts";
import {
  initialUpstreamState,
  stepUpstream,
  type UpstreamCredentials,
  type UpstreamPlan,
} from "../../../src/session/upstream_machine.ts";
import { accepts, UPSTREAM_PHASES, type UpstreamPhase } from "../../../src/session/upstream_phases.ts";

function replyOf(text: string): Reply {
  const lines = text.split(" / ");
  return {
    code: Number(lines[0]!.slice(0, 3)),
    lines: lines.map((line) => line.slice(4)),
    text: lines.join("\r\n") + "\r\n",
  };
}

const CLIENT = {
  addr: "192.0.2.7",
  port: 4711,
  name: "[UNAVAILABLE]",
  login: "u",
  helo: "client.test",
  proto: "ESMTP",
  destaddr: "192.0.2.1",
  destport: 587,
} as const;

interface PlanFields {
  readonly client?: UpstreamPlan["client"];
  readonly starttls?: boolean;
  readonly xclient?: "off" | "on" | "nginx";
  readonly auth?: Partial<UpstreamCredentials>;
  readonly none?: boolean;
  readonly addressConveyed?: boolean;
  readonly compat?: boolean;
}

function planOf(fields: PlanFields): UpstreamPlan {
  return {
    serverName: "postern.test",
    client: fields.client === undefined ? { name: "client.test", esmtp: true } : fields.client,
    starttls: fields.starttls ?? false,
    xclient: { mode: fields.xclient ?? "off", attributes: CLIENT },
    auth: fields.auth === undefined ? null : {
      mode: "on",
      user: "u",
      secret: "p",
      bearer: false,
      plaintextAllowed: true,
      host: "mx.test",
      port: 25,
      ...fields.auth,
    },
    envelope: fields.none ? { mail: "MAIL FROM:<a@b>", rcpt: "RCPT TO:<c@d>" } : null,
    addressConveyed: fields.addressConveyed ?? false,
    clientUsedEhlo: fields.client?.esmtp ?? fields.client === undefined,
    compat: fields.compat ?? false,
  };
}

/** Replies of the server against what follows; `tls` stands for a finished handshake. */
type Exchange = readonly (readonly [string, string])[];

function play(plan: UpstreamPlan, inputs: readonly string[], secure = false, pending = 0): string[] {
  let state = initialUpstreamState(secure);
  return inputs.map((input) => {
    const event = input === "tls"
      ? { kind: "tls_started" } as const
      : { kind: "reply", reply: replyOf(input), pending } as const;
    const step = stepUpstream(state, event, plan);
    state = step.state;
    const { effect } = step;
    switch (effect.do) {
      case "send":
        return effect.line + (effect.secret ? " (secret)" : "");
      case "await":
        return "[await]";
      case "start_tls":
        return "[start_tls]";
      case "ready":
        return effect.reply === null ? "[ready]" : `[ready ${effect.reply.code}]`;
      case "fail":
        return `[fail ${effect.failure.code}${effect.failure.reply === null ? "" : " with reply"}]`;
    }
  });
}

const xclientOffer = "250-mx / 250 XCLIENT NAME ADDR LOGIN";

const CASES: readonly {
  readonly name: string;
  readonly plan: PlanFields;
  readonly secure?: boolean;
  readonly exchange: Exchange;
}[] = [
  {
    name: "is ready after EHLO where nothing else is wanted",
    plan: {},
    exchange: [["220-hi / 220 there", "EHLO postern.test"], ["250 mx", "[ready]"]],
  },
  {
    name: "takes HELO where EHLO is refused",
    plan: { none: true },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["502 what", "HELO postern.test"],
      ["250 mx", "MAIL FROM:<a@b>"],
      ["250 ok", "RCPT TO:<c@d>"],
      ["550 no such user", "[ready 550]"],
    ],
  },
  {
    name: 'says HELO for a client without EHLO, and does not try twice, with "compat: nginx"',
    plan: { compat: true, client: { name: "old.test", esmtp: false } },
    exchange: [["220 hi", "HELO postern.test"], ["250 mx", "[ready]"]],
  },
  {
    name: 'gives up where EHLO is refused, with "compat: nginx"',
    plan: { compat: true },
    exchange: [["220 hi", "EHLO postern.test"], ["502 what", "[fail refused with reply]"]],
  },
  {
    name: 'sends AUTH PLAIN unasked with "compat: nginx"',
    plan: { compat: true, auth: {} },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", `AUTH PLAIN ${btoa("\0u\0p")} (secret)`]],
  },
  {
    name: 'never sends a bearer token unasked, nor a password in clear to another host, with "compat: nginx"',
    plan: { compat: true, auth: { bearer: true } },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", "[fail auth_not_offered]"]],
  },
  {
    name: "does not take HELO where EHLO fails for the moment",
    plan: {},
    exchange: [["220 hi", "EHLO postern.test"], ["421 busy", "[fail refused with reply]"]],
  },
  {
    name: "sends MAIL and RCPT together where the server takes pipelined commands",
    plan: { none: true },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250 PIPELINING", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>"],
      ["250 ok", "[await]"],
      ["250 ok", "[ready 250]"],
    ],
  },
  {
    name: "fails where MAIL is refused, whatever came of a pipelined RCPT",
    plan: { none: true },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250 PIPELINING", "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>"],
      ["550 no", "[fail refused with reply]"],
    ],
  },
  {
    name: "fails for every other refusal",
    plan: { none: true },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250 mx", "MAIL FROM:<a@b>"],
      ["452 full", "[fail refused with reply]"],
    ],
  },
  {
    name: "fails for a greeting that is no 220",
    plan: {},
    exchange: [["554 no", "[fail refused with reply]"]],
  },
  {
    name: "starts TLS and says EHLO again inside it",
    plan: { starttls: true, auth: {} },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250-AUTH LOGIN / 250 STARTTLS", "STARTTLS"],
      ["220 go", "[start_tls]"],
      ["tls", "EHLO postern.test"],
      ["250-mx / 250 AUTH PLAIN", `AUTH PLAIN ${btoa("\0u\0p")} (secret)`],
      ["235 ok", "[ready]"],
    ],
  },
  {
    name: "never falls back to plaintext: STARTTLS not offered",
    plan: { starttls: true },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", "[fail starttls_not_offered]"]],
  },
  {
    name: "never falls back to plaintext: EHLO refused",
    plan: { starttls: true },
    exchange: [["220 hi", "EHLO postern.test"], ["502 no", "[fail refused with reply]"]],
  },
  {
    name: "never falls back to plaintext: STARTTLS refused",
    plan: { starttls: true },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250 STARTTLS", "STARTTLS"],
      ["454 not now", "[fail refused with reply]"],
    ],
  },
  {
    name: "says who the client is with the attributes that are offered, then EHLO again",
    plan: { xclient: "on" },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      [xclientOffer, "XCLIENT NAME=[UNAVAILABLE] LOGIN=u ADDR=192.0.2.7"],
      ["220 hi", "EHLO client.test"],
      ["250 mx", "[ready]"],
    ],
  },
  {
    name: "says EHLO for a client that said HELO when it is to sign in",
    plan: { xclient: "on", auth: {}, client: { name: "old.test", esmtp: false } },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250-XCLIENT ADDR / 250 AUTH PLAIN", "XCLIENT ADDR=192.0.2.7"],
      ["250 ok", "EHLO old.test"],
      ["250-mx / 250 AUTH PLAIN", "AUTH PLAIN AHUAcA== (secret)"],
    ],
  },
  {
    name: "says HELO again for a client that said HELO, and its own name for one that said nothing",
    plan: { xclient: "on", client: { name: "old.test", esmtp: false } },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      [xclientOffer, "XCLIENT NAME=[UNAVAILABLE] LOGIN=u ADDR=192.0.2.7"],
      ["250 ok", "HELO old.test"],
      ["250 mx", "[ready]"],
    ],
  },
  {
    name: "says its own name again for a client that gave none",
    plan: { xclient: "on", client: null },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      [xclientOffer, "XCLIENT NAME=[UNAVAILABLE] LOGIN=u ADDR=192.0.2.7"],
      ["250 ok", "EHLO postern.test"],
      ["250 mx", "[ready]"],
    ],
  },
  {
    name: 'sends nginx\'s attributes unasked with "xclient: nginx"',
    plan: { xclient: "nginx", client: null },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250 mx", "XCLIENT ADDR=192.0.2.7 LOGIN=u NAME=[UNAVAILABLE]"],
      ["250 ok", "[ready]"],
    ],
  },
  {
    name: "goes on without XCLIENT after a login where it is not offered",
    plan: { xclient: "on" },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", "[ready]"]],
  },
  {
    name: "does not pass off a stranger's mail as its own where XCLIENT is not offered",
    plan: { xclient: "on", none: true },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", "[fail xclient_not_offered]"]],
  },
  {
    name: "does not pass off a stranger's mail as its own where XCLIENT cannot tell the address",
    plan: { xclient: "on", none: true },
    exchange: [["220 hi", "EHLO postern.test"], [
      "250-mx / 250 XCLIENT NAME HELO",
      "[fail xclient_not_offered]",
    ]],
  },
  {
    name: "goes on where a PROXY header has said who the client is",
    plan: { xclient: "on", none: true, addressConveyed: true },
    exchange: [["220 hi", "EHLO postern.test"], ["250 mx", "MAIL FROM:<a@b>"]],
  },
  {
    name: "signs in with LOGIN where that is all there is",
    plan: { auth: {} },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      ["250-mx / 250 AUTH LOGIN", "AUTH LOGIN"],
      ["334 VXNlcm5hbWU6", `${btoa("u")} (secret)`],
      ["334 UGFzc3dvcmQ6", `${btoa("p")} (secret)`],
      ["235 ok", "[ready]"],
    ],
  },
  {
    name: "signs in with a bearer token",
    plan: { auth: { bearer: true, secret: "tok" } },
    exchange: [
      ["220 hi", "EHLO postern.test"],
      [
        "250-mx / 250 AUTH PLAIN XOAUTH2",
        `AUTH XOAUTH2 ${btoa("user=u\x01auth=Bearer tok\x01\x01")} (secret)`,
      ],
      ["334 e30=", ""],
      ["535 no", "[fail refused with reply]"],
    ],
  },
  {
    name: "answers the error behind a refused token with what its mechanism wants (RFC 7628 §3.2.3)",
    plan: { auth: { bearer: true, secret: "tok" } },
    exchange: [
      ["220 mx", "EHLO postern.test"],
      [
        "250-mx / 250 AUTH OAUTHBEARER",
        `AUTH OAUTHBEARER ${btoa("n,a=u,\x01host=mx.test\x01port=25\x01auth=Bearer tok\x01\x01")} (secret)`,
      ],
      ["334 eyJ9", "AQ=="],
      ["535 5.7.8 no", "[fail refused with reply]"],
    ],
  },
  {
    name: "does not send a bearer token as a password",
    plan: { auth: { bearer: true, secret: "tok" } },
    exchange: [["220 hi", "EHLO postern.test"], ["250-mx / 250 AUTH PLAIN LOGIN", "[fail auth_not_offered]"]],
  },
  {
    name: "does not sign in without a password",
    plan: { auth: { secret: null } },
    exchange: [["220 hi", "EHLO postern.test"], ["250-mx / 250 AUTH PLAIN", "[fail no_password]"]],
  },
  {
    name: "does not send credentials in clear to another host",
    plan: { auth: { plaintextAllowed: false } },
    exchange: [["220 hi", "EHLO postern.test"], ["250-mx / 250 AUTH PLAIN", "[fail plaintext_auth]"]],
  },
  {
    name: "sends credentials to another host inside TLS",
    plan: { auth: { plaintextAllowed: false } },
    secure: true,
    exchange: [["220 hi", "EHLO postern.test"], [
      "250-mx / 250 AUTH PLAIN",
      `AUTH PLAIN ${btoa("\0u\0p")} (secret)`,
    ]],
  },
  {
    name: "does not cut a login at a NUL",
    plan: { auth: { user: "u\0v" } },
    exchange: [["220 hi", "EHLO postern.test"], ["250-mx / 250 AUTH PLAIN", "[fail bad_credentials]"]],
  },
];

for (const { name, plan, secure, exchange } of CASES) {
  Deno.test(`stepUpstream() ${name}`, () => {
    const shown = play(planOf(plan), exchange.map(([input]) => input), secure);
    assert.deepEqual(shown, exchange.map(([, expected]) => expected));
  });
}

Deno.test("stepUpstream() fails where the server sent data in clear behind its reply to STARTTLS", () => {
  const inputs = ["220 hi", "250-mx / 250 STARTTLS", "220 go"];
  assert.deepEqual(
    play(planOf({ starttls: true }), inputs, false, 1).at(-1),
    "[fail plaintext_after_starttls]",
  );
});

Deno.test("UPSTREAM_PHASES accepts the codes of spec §4.2, and no others", () => {
  const accepted: Record<UpstreamPhase, string> = {
    greeting: "220",
    ehlo: "250",
    helo: "250",
    starttls: "220",
    ehlo_secure: "250",
    xclient: "220 250",
    ehlo_client: "250",
    helo_client: "250",
    auth: "235",
    auth_user: "334",
    auth_password: "334",
    auth_error: "",
    mail: "250",
    rcpt: "220 235 250 251 334 354 421 450 500 535 550",
  };
  const codes = [220, 235, 250, 251, 334, 354, 421, 450, 500, 535, 550];
  for (const phase of Object.keys(UPSTREAM_PHASES) as UpstreamPhase[]) {
    const found = codes.filter((code) => accepts(phase, replyOf(`${code} x`))).join(" ");
    assert.equal(found, accepted[phase], phase);
  }
});
