import assert from "node:assert/strict";
import {
  ABORTED,
  BROKEN,
  CHUNKS,
  enter,
  type Fault,
  flood,
  LOST,
  LOST_UPSTREAM,
  type MailServer,
  say,
  sendAll,
  sendHalf,
  SHORT,
  signIn,
  takeAll,
  takeHalf,
  TIMEOUT,
} from "./fault.ts";

/** The places where a mail server may leave. */
const PLACES: readonly (Pick<Fault, "client" | "hears" | "message" | "server"> & {
  readonly place: string;
  readonly mail: (server: MailServer) => Promise<unknown>;
})[] = [
  {
    place: "after a command",
    mail: async (server) => {
      await enter(server);
      await server.peer.expect("NOOP");
    },
    client: say,
    hears: LOST,
  },
  {
    place: "in a reply",
    mail: async (server) => {
      await enter(server);
      await server.peer.expect("NOOP");
      await server.peer.send("250 2.0.0 o");
    },
    client: say,
    hears: LOST,
  },
  { place: "in DATA", mail: takeHalf, client: sendHalf, hears: LOST, message: { ...ABORTED, octets: 6 } },
  {
    place: "after DATA and before its reply",
    mail: takeAll,
    client: sendAll,
    hears: LOST,
    message: { ...ABORTED, octets: 18 },
  },
  {
    place: "in BDAT",
    server: CHUNKS,
    mail: async (server) => {
      await enter(server, "CHUNKING");
      await server.peer.answer(/^MAIL /, "250 a");
      await server.peer.answer(/^RCPT /, "250 b");
      await server.peer.expect("BDAT 12 LAST");
      await server.peer.readUntil("half\r\n");
    },
    client: async (side) => {
      await signIn(side);
      await side.client.command("MAIL FROM:<a@b.test>", "250 a");
      await side.client.command("RCPT TO:<c@d.test>", "250 b");
      await side.client.send("BDAT 12 LAST\r\nhalf\r\n");
    },
    hears: LOST,
    message: { ...ABORTED, octets: 6 },
  },
];

const MAIL_SERVER_LEAVES: readonly Fault[] = PLACES.flatMap(({ place, mail, ...row }): Fault[] => [
  {
    ...row,
    name: `the mail server resets ${place}`,
    mail: async (server) => {
      await mail(server);
      await server.stream.reset();
    },
    ends: ["relay_lost", "upstream"],
    event: LOST_UPSTREAM,
  },
  {
    ...row,
    name: `the mail server closes ${place}`,
    mail,
    ends: ["relay_lost", "upstream"],
    event: LOST_UPSTREAM,
  },
]);

const MAIL_SERVER_MISBEHAVES: readonly Fault[] = [
  {
    name: "the mail server sends 100 MB without a line end instead of its greeting",
    mail: ({ stream }) => flood(stream, "x"),
    client: ({ client }) => client.authPlain("alice", "secret", "451 4.3.2 Internal server error"),
    hears: "",
    ends: ["upstream_failed", "upstream", "command"],
    event: { event: "upstream_failed", level: "error", code: "too_long" },
  },
  {
    name: "the mail server sends 100 MB without a line end",
    mail: async (server) => {
      await enter(server);
      await server.peer.expect("NOOP");
      await flood(server.stream, "x");
    },
    client: say,
    hears: BROKEN,
    ends: ["relayed", "upstream"],
    event: { event: "relay_invalid_reply", level: "error", code: "too_long" },
  },
  {
    name: "the mail server sends 100 MB of replies that nobody asked for",
    mail: async (server) => {
      await enter(server);
      await flood(server.stream, "250 2.0.0 Ok\r\n");
    },
    client: signIn,
    hears: BROKEN,
    ends: ["relayed", "upstream"],
    event: { event: "relay_invalid_reply", level: "error", code: "unasked", got: "250 2.0.0 Ok" },
  },
  {
    name: "the mail server says in DATA that it has the message",
    mail: async (server) => {
      await takeHalf(server);
      await server.peer.reply("250 2.0.0 Ok: queued as FORGED");
      assert.doesNotMatch((await server.peer.readToEnd()).text, /\.\r\n/);
    },
    client: sendHalf,
    hears: BROKEN,
    ends: ["relayed", "upstream"],
    message: { ...ABORTED, octets: 6 },
    event: { event: "relay_invalid_reply", level: "error", code: "unasked" },
  },
  {
    name: "the mail server says unasked that it closes",
    mail: async (server) => {
      await enter(server);
      await server.peer.reply("421 4.3.2 mx.test going down");
      await server.over;
    },
    client: signIn,
    hears: "421 4.3.2 mx.test going down\r\n",
    ends: ["relayed", "upstream"],
  },
  {
    name: "the mail server speaks no SMTP any more",
    mail: async (server) => {
      await enter(server);
      await server.peer.answer("NOOP", "HTTP/1.1 400 Bad Request");
      await server.over;
    },
    client: say,
    hears: BROKEN,
    ends: ["relayed", "upstream"],
    event: { event: "relay_invalid_reply", level: "error", code: "malformed" },
  },
  {
    name: "the mail server stalls after a command",
    server: SHORT,
    mail: async (server) => {
      await enter(server);
      await server.peer.readToEnd();
    },
    client: say,
    hears: TIMEOUT,
    ends: ["relay_timeout", "postern"],
  },
  {
    name: "the mail server stalls after DATA",
    server: SHORT,
    mail: async (server) => {
      await takeAll(server);
      await server.peer.readToEnd();
    },
    client: sendAll,
    hears: TIMEOUT,
    ends: ["relay_timeout", "postern"],
    message: { ...ABORTED, octets: 18 },
  },
  {
    name: "the mail server takes nothing more of a message",
    server: () => ({ proxy_timeout: "300ms", smtp_max_message_size: "1000m" }),
    mail: async (server) => {
      await takeHalf(server);
      await server.over;
    },
    client: async (side) => {
      await sendHalf(side);
      void flood(side.stream, `${"x".repeat(62)}\r\n`).catch(() => {});
    },
    hears: TIMEOUT,
    ends: ["relay_timeout", "postern"],
    message: ABORTED,
  },
];

/** Mail servers that fail in a session. */
export const MAIL_SERVER_FAULTS: readonly Fault[] = [...MAIL_SERVER_LEAVES, ...MAIL_SERVER_MISBEHAVES];
