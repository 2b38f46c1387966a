/**
 * Generated dialogues through the guard of the relay, at a mail server that takes everything for the end of a message
 * that any server ever did. Whatever the client sends, the server takes what a strict reading of the client's octets
 * says, message for message and octet for octet, or nothing; and the client hears of exactly what was taken.
 *
 * The seed is fixed; `FUZZ_SEED=…` takes another, `FUZZ_COUNT=…` more dialogues.
 */
import assert from "node:assert/strict";
import { diskFiles } from "../../src/app/disk_files.ts";
import { type Postern, serve } from "../../src/app/serve.ts";
import { loadConfig } from "../../src/config/load.ts";
import type { Log } from "../../src/ports/telemetry.ts";
import { NO_METRICS } from "../../src/telemetry/metrics.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { FALSE_ENDS } from "../support/false_ends.ts";
import { ENDS, GullibleServer, type TakenMessage } from "./gullible_server.ts";
import { Choices, mutate, numberOf, segments } from "./mutation.ts";
import { type ReferenceMessage, referenceMessages, repaired, unstuffed } from "./reference_server.ts";

const SEED = numberOf("FUZZ_SEED") ?? 20_261;
const COUNT = numberOf("FUZZ_COUNT") ?? 600;
/** Dialogues at a time, each at a mail server of its own. */
const LANES = 8;

/** The end of the message that it is smuggled in ends it, too. */
const SMUGGLED = "MAIL FROM:<smuggled@evil.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nboo\r\n";

/** Pieces of content, most of them harmless. */
const CLEAN_PIECES: readonly string[] = [
  "Subject: x\r\n",
  "\r\n",
  "..\r\n",
  "..dot\r\n",
  "a.b.\r\n",
  "gr\xc3\xbc\xdfe\r\n",
  "QUIT\r\n",
  "MAIL FROM:<inside@example.test>\r\n",
  "BDAT 5 LAST\r\n",
  `${"long ".repeat(180)}\r\n`,
];
const DIRTY_PIECES: readonly string[] = [
  "\r",
  "\n",
  "\0",
  "\r\r\n",
  "\n\r",
  ".\n",
  ...FALSE_ENDS,
  ...FALSE_ENDS.map((end) => end + SMUGGLED),
];
/** Commands in and between transactions that leave them as they are. */
const OTHER_COMMANDS: readonly string[] = [
  "NOOP\r\n",
  "VRFY a\r\n",
  "STARTTLS\r\n",
  "AUTH PLAIN AGEAYg==\r\n",
  "XCLIENT ADDR=192.0.2.1\r\n",
  "XFORWARD NAME=x\r\n",
  "ETRN x\r\n",
  "BLAH\r\n",
  "RCPT TO:<early@example.test>\r\n",
  "MAIL FROM:<refused@example.test>\r\n",
];

/** After these what was written as content is read as commands, or the other way round, or the session ends. */
const TURNING_COMMANDS: readonly string[] = [
  "RSET\r\n",
  "EHLO again.example\r\n",
  "HELO again.example\r\n",
  "DATA\r\n",
  "BDAT x\r\n",
  "BDAT 99999999999 LAST\r\n",
  "BDAT 4294967301 LAST\r\n",
  "BDAT  5 LAST\r\nhello",
];

interface Script {
  readonly text: string;
  /** Whether a guard has no reason to refuse any of it. */
  readonly clean: boolean;
}

/** Lines, some of them none. */
function content(choices: Choices, dirty: boolean): string {
  let text = "";
  for (let left = choices.below(6); left >= 0; left--) {
    text += dirty && choices.onceIn(2) ? choices.one(DIRTY_PIECES) : choices.one(CLEAN_PIECES);
  }
  return text;
}

interface Kind {
  /** Whether newlines and NULs stand where they must not. */
  readonly dirty: boolean;
  /** Whether commands may turn the meaning of what follows. */
  readonly turns: boolean;
}

/** A message by DATA or BDAT, as a client would send it that may mean harm. */
function transaction(choices: Choices, { dirty, turns }: Kind, number: number): string {
  const commands = turns ? [...OTHER_COMMANDS, ...TURNING_COMMANDS] : OTHER_COMMANDS;
  const others = () => choices.onceIn(4) ? choices.one(commands) : "";
  let text = `${others()}MAIL FROM:<a${number}@example.test>\r\n`;
  for (let left = choices.below(3); left >= 0; left--) {
    // With nobody to go to, the content is read as commands.
    const refused = choices.onceIn(4) && (turns || left > 0);
    text += `RCPT TO:<${refused ? "refused" : "b"}${left}@example.test>\r\n${others()}`;
  }
  if (choices.onceIn(3)) {
    for (let left = choices.below(3); left >= 0; left--) {
      const chunk = content(choices, choices.onceIn(2));
      text += `BDAT ${chunk.length}${left === 0 ? " LAST" : ""}\r\n${chunk}`;
    }
    return text;
  }
  let body: string;
  // Pieces may make a true end, behind which content is read as commands.
  do body = content(choices, dirty).replace(/[^\n]$/, "$&\r\n"); while (
    !turns && `\r\n${body}`.includes("\r\n.\r\n")
  );
  return `${text}DATA\r\n${body}.\r\n`;
}

function script(choices: Choices, wild: boolean): Script {
  const dirty = choices.onceIn(2);
  const clean = !dirty && !(wild && choices.onceIn(3));
  const turns = wild && !clean;
  let text = "";
  for (let number = choices.below(4); number >= 0; number--) {
    text += (choices.onceIn(5) ? "RSET\r\n" : "") + transaction(choices, { dirty, turns }, number);
  }
  text += "QUIT\r\n";
  return { text: wild && !clean ? mutate(text, choices) : text, clean };
}

/** What the client is sent back; the proxy may end the session at any time. */
async function converse(client: DialogueClient, parts: readonly string[], choices: Choices): Promise<string> {
  const reading = client.readToEnd();
  try {
    for (const part of parts) {
      await client.send(part);
      // Segments that leave together arrive together.
      if (choices.onceIn(2)) await new Promise((resolve) => setTimeout(resolve, 0));
    }
    await client.closeWrite();
  } catch {
    // What was said before it closed is read all the same.
  }
  return (await reading).text;
}

/** Where the guard refuses and where it lets pass, as far as the oracle has to know. */
interface Policy {
  readonly directives: Readonly<Record<string, unknown>>;
  /** What of the content has to arrive as it was sent. */
  readonly lasting: (content: string, chunked: boolean) => string;
  /**
   * Whether commands may be anything. Where newlines of commands are repaired or passed, the reference, which knows
   * CRLF alone, would read others.
   */
  readonly wild: boolean;
}

const POLICIES: Readonly<Record<string, Policy>> = {
  reject: { directives: {}, lasting: (content) => content, wild: true },
  normalize: {
    directives: { smtp_bare_newline: "normalize" },
    // Of dots beside a newline that is repaired it cannot be said whether they were stuffed.
    lasting: (content, chunked) => chunked ? content : repaired(content).replace(/^[. ]*/gm, ""),
    wild: false,
  },
  pass: {
    directives: { smtp_bare_newline: "pass", smtp_nul: "pass" },
    lasting: (content) => content,
    wild: false,
  },
};

interface Lane {
  readonly server: GullibleServer;
  readonly user: string;
}

async function play(lane: Lane, port: number, policy: Policy, choices: Choices): Promise<boolean> {
  const { text, clean } = script(choices, policy.wild);
  await using client = await DialogueClient.connect({ port });
  await client.expect(/^220 /);
  await client.command("EHLO client.example", /^250-/);
  await client.authPlain(lane.user, "x");
  const before = lane.server.sessions.length;
  const heard = await converse(client, segments(text, choices), choices);
  const session = lane.server.sessions[before - 1]!;
  const described = () =>
    `sent ${JSON.stringify(text)}\nheard ${JSON.stringify(heard)}\nserver had ${
      JSON.stringify(session.received)
    }`;
  const expected = referenceMessages(text);
  const taken = session.messages;
  assert.deepEqual(
    taken.map((message) => comparable(policy, { ...message, content: contentOf(message) })),
    expected.slice(0, taken.length).map((message) => comparable(policy, message)),
    described(),
  );
  const told = [...heard.matchAll(/queued as ([0-9A-F]{12})/g)].map(([, id]) => id);
  assert.deepEqual(told, taken.slice(0, told.length).map(({ queueId }) => queueId), described());
  if (clean) {
    assert.deepEqual([taken.length, told.length], [expected.length, expected.length], described());
  }
  return taken.length > 0;
}

function contentOf({ content, chunked }: TakenMessage): string {
  return chunked ? content : unstuffed(content);
}

function comparable(policy: Policy, { from, to, content, chunked }: ReferenceMessage) {
  return { from, to, content: policy.lasting(content, chunked) };
}

async function withProxy(
  lanes: readonly Lane[],
  directives: Readonly<Record<string, unknown>>,
  body: (port: number) => Promise<void>,
): Promise<void> {
  await using service = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, (request) => {
    const lane = lanes.find(({ user }) => user === request.headers.get("auth-user"))!;
    const headers = {
      "Auth-Status": "OK",
      "Auth-Server": "127.0.0.1",
      "Auth-Port": String(lane.server.port),
    };
    return new Response(null, { headers });
  });
  const mail = {
    server_name: "mail.test",
    auth_http: `http://127.0.0.1:${service.addr.port}/`,
    smtp_capabilities: ["PIPELINING", "8BITMIME", "CHUNKING"],
    smtp_reject_unauth_pipelining: "off",
    xclient: "off",
    proxy_timeout: "10s",
    ...directives,
    servers: [{ listen: "127.0.0.1:0" }],
  };
  const config = loadConfig(JSON.stringify({ mail }), "postern.yaml", diskFiles);
  assert.ok("servers" in config, JSON.stringify(config));
  const mistakes: string[] = [];
  const log: Log = {
    enabled: (level) => level === "crit",
    event: (level, _event, message) => void (level === "crit" && mistakes.push(message)),
  };
  const postern: Postern = await serve(config, { log, metrics: NO_METRICS });
  try {
    const [address] = postern.addresses;
    assert.ok(address?.kind === "tcp");
    await body(address.port);
  } finally {
    await postern.stop(0);
  }
  assert.deepEqual(mistakes, []);
}

for (const [name, policy] of Object.entries(POLICIES)) {
  Deno.test(`what a mail server takes is what the client sent, however it is written, with ${name}`, async () => {
    const lanes: Lane[] = Array.from({ length: LANES }, (_, index) => ({
      server: new GullibleServer(ENDS, { splitAtLf: name === "reject" }),
      user: `lane${index}`,
    }));
    let next = 0;
    let delivered = 0;
    try {
      await withProxy(lanes, policy.directives, async (port) => {
        await Promise.all(lanes.map(async (lane) => {
          while (next < COUNT) {
            const index = next++;
            try {
              if (await play(lane, port, policy, new Choices(SEED + index * 7_919))) delivered++;
            } catch (error) {
              throw new Error(`dialogue ${index} of seed ${SEED}`, { cause: error });
            }
          }
        }));
      });
    } finally {
      for (const { server } of lanes) await server.close();
    }
    assert.ok(delivered > COUNT / 4, `${delivered} of ${COUNT} dialogues brought a message through`);
  });
}
