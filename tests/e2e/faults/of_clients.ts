import assert from "node:assert/strict";
import { DialogueClient } from "../../support/dialogue_client.ts";
import {
  ABORTED,
  CHUNKS,
  enter,
  type Fault,
  flood,
  LOST_BEFORE,
  LOST_CLIENT,
  resets,
  resetsAtOnce,
  say,
  sendAll,
  sendHalf,
  SHORT,
  signIn,
  takeAll,
  takeHalf,
  takeNoEnd,
  TIMEOUT,
} from "./fault.ts";

/** States of a session in which a client may leave. While others are waited for it shows at the end of the wait. */
const CLIENT_LEAVES: readonly Fault[] = [
  {
    name: "the client resets before the greeting",
    server: () => ({ smtp_greeting_delay: "1m" }),
    // Who comes after is served, so this one was accepted, and did not vanish before.
    client: resetsAtOnce(async ({ port }) => {
      await using next = await DialogueClient.connect({ port });
      await next.send("NOOP\r\n");
      await next.expect(/^503 /);
    }),
    hears: null,
    ends: null,
    event: { event: "client_silent", level: "debug" },
  },
  {
    name: "the client resets in the handshake",
    server: (files) => ({ ...files.server(), starttls: "on" }),
    client: resetsAtOnce(async ({ client }) => {
      await client.command("STARTTLS", /^220 /);
      await client.send("\x16\x03\x01");
    }),
    hears: null,
    ends: ["tls_failed", "client", "handshake"],
    event: { event: "tls_failed", level: "info" },
  },
  {
    name: "the client resets in a command",
    client: resetsAtOnce(async ({ client }) => {
      await client.command("NOOP", /^250 /);
      await client.send("EHLO clie");
    }),
    hears: null,
    ends: ["client_closed", "client", "command"],
    event: LOST_BEFORE,
  },
  {
    name: "the client resets in AUTH",
    client: resetsAtOnce(({ client }) => client.command("AUTH LOGIN", "334 VXNlcm5hbWU6")),
    hears: null,
    ends: ["client_closed", "client", "command"],
    event: LOST_BEFORE,
  },
  {
    name: "the client resets while the auth service is asked",
    server: () => ({ auth_http_timeout: "300ms" }),
    client: async (side) => {
      await side.client.send(`AUTH PLAIN ${btoa("\0slow\0secret")}\r\n`);
      await side.due;
      await side.stream.reset();
    },
    hears: null,
    ends: ["client_closed", "client", "command"],
    event: { event: "auth_unavailable", level: "error", code: "timeout" },
  },
  {
    name: "the client resets while it waits after a wrong password",
    client: async (side) => {
      await side.client.send(`AUTH PLAIN ${btoa("\0waits\0secret")}\r\n`);
      await side.edge.postern.event("client_login_failed");
      await side.stream.reset();
    },
    hears: null,
    ends: ["client_closed", "client", "command"],
    event: LOST_BEFORE,
  },
  {
    name: "the client resets while the mail server is connected",
    server: () => ({ timeout: "300ms" }),
    mail: async ({ peer, due }) => {
      due();
      await peer.readToEnd();
    },
    client: resets(({ client }) => client.send(`AUTH PLAIN ${btoa("\0alice\0secret")}\r\n`)),
    hears: null,
    ends: ["client_closed", "client", "command"],
    event: { event: "upstream_failed", level: "error", code: "timeout" },
  },
  {
    name: "the client resets in the relay",
    mail: async (server) => {
      await enter(server);
      await server.peer.expect("NOOP");
      server.due();
      await server.peer.readToEnd();
    },
    client: resets(say),
    hears: null,
    ends: ["relay_lost", "client"],
    event: LOST_CLIENT,
  },
  {
    name: "the client resets in DATA",
    mail: takeNoEnd,
    client: resets(sendHalf),
    hears: null,
    ends: ["relay_lost", "client"],
    message: { ...ABORTED, octets: 6 },
    event: LOST_CLIENT,
  },
  {
    name: "the client closes in DATA",
    mail: takeNoEnd,
    client: async (side) => {
      await sendHalf(side);
      await side.due;
      await side.client.close();
    },
    hears: null,
    ends: ["relayed", "client"],
    message: { ...ABORTED, octets: 6 },
  },
  {
    name: "the client resets after DATA and before its reply",
    mail: async (server) => {
      await takeAll(server);
      server.due();
      await server.peer.readToEnd();
    },
    client: resets(sendAll),
    hears: null,
    ends: ["relay_lost", "client"],
    message: { ...ABORTED, octets: 18 },
    event: LOST_CLIENT,
  },
  {
    name: "the client resets in BDAT",
    server: CHUNKS,
    mail: async (server) => {
      await enter(server, "CHUNKING");
      await server.peer.answer(/^MAIL /, "250 a");
      await server.peer.expect("BDAT 12 LAST");
      await server.peer.readUntil("half\r\n");
      server.due();
      assert.equal((await server.peer.readToEnd()).text, "");
    },
    client: resets(async (side) => {
      await signIn(side);
      await side.client.command("MAIL FROM:<a@b.test>", "250 a");
      await side.client.send("BDAT 12 LAST\r\nhalf\r\n");
    }),
    hears: null,
    ends: ["relay_lost", "client"],
    message: { outcome: "aborted", recipients: 0, octets: 6 },
    event: LOST_CLIENT,
  },
];

const CLIENT_IS_STRANGE: readonly Fault[] = [
  {
    name: "the client sends one octet at a time, and its message arrives",
    mail: async (server) => {
      await takeHalf(server);
      await server.peer.readUntil("other half\r\n.\r\n");
      await server.peer.reply("250 2.0.0 Ok: queued as SLOW1");
      await server.peer.answer("QUIT", "221 d");
    },
    client: async ({ client }) => {
      const said = [
        `AUTH PLAIN ${btoa("\0alice\0secret")}`,
        "MAIL FROM:<a@b.test>",
        "RCPT TO:<c@d.test>",
        "DATA",
        "half\r\nother half\r\n.",
        "QUIT",
      ];
      const replies = [/^235 /, "250 a", "250 b", "354 c", "250 2.0.0 Ok: queued as SLOW1", "221 d"];
      for (const [i, line] of said.entries()) {
        for (const octet of `${line}\r\n`) await client.send(octet);
        await client.expect(replies[i]!);
      }
    },
    hears: "",
    ends: ["relayed", "upstream"],
    message: { outcome: "accepted", recipients: 1, octets: 18, queue_id: "SLOW1" },
  },
  {
    name: "the client sends one octet of a command now and then",
    server: () => ({ timeout: "300ms" }),
    client: async ({ client }) => {
      const heard = client.waitForOctets();
      for (let told = false; !told;) {
        await client.send("N");
        told = await Promise.race([heard, new Promise<false>((resolve) => setTimeout(resolve, 20, false))]);
      }
    },
    hears: TIMEOUT,
    ends: ["timeout", "postern", "command"],
  },
  {
    name: "the client sends one octet of its message now and then",
    server: () => ({ smtp_data_timeout: "300ms", smtp_min_data_rate: 1_000_000 }),
    mail: async (server) => {
      await takeHalf(server);
      assert.doesNotMatch((await server.peer.readToEnd()).text, /\r\n/);
    },
    client: async (side) => {
      await sendHalf(side);
      const heard = side.client.waitForOctets();
      for (let told = false; !told;) {
        await side.client.send("x");
        told = await Promise.race([heard, new Promise<false>((resolve) => setTimeout(resolve, 20, false))]);
      }
    },
    hears: TIMEOUT,
    ends: ["relay_refused", "postern"],
    message: { outcome: "refused", refusal: "data_too_slow", recipients: 1 },
    event: { event: "relay_refused", level: "info", reason: "data_too_slow" },
  },
  {
    name: "the client sends nothing more of its message",
    server: () => ({ smtp_data_timeout: "300ms" }),
    mail: async (server) => {
      await takeHalf(server);
      assert.equal((await server.peer.readToEnd()).text, "");
    },
    client: sendHalf,
    hears: TIMEOUT,
    ends: ["relay_refused", "postern"],
    message: { outcome: "refused", refusal: "data_timeout", recipients: 1, octets: 6 },
    event: { event: "relay_refused", level: "info", reason: "data_timeout" },
  },
  {
    name: "the client never reads while replies come",
    server: SHORT,
    mail: async (server) => {
      await enter(server);
      await server.peer.expect("HELP");
      await flood(server.stream, `214-${"x".repeat(60)}\r\n`);
      server.due();
    },
    client: async (side) => {
      await say(side, "HELP");
      await side.due;
    },
    hears: null,
    ends: ["relay_timeout", "postern"],
  },
];

/** Clients that fail in a session. */
export const CLIENT_FAULTS: readonly Fault[] = [...CLIENT_LEAVES, ...CLIENT_IS_STRANGE];
