/**
 * Every limit on a running proxy with two workers.
 *
 * @module
 */
import assert from "node:assert/strict";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withEdge } from "../support/edge.ts";
import type { PosternProcess } from "../support/postern_process.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const BANNED = "421 4.7.0 mail.test Too many failed logins, try again later";

/** Opens so many connections at once and sorts them by their first line. */
async function openAll(postern: PosternProcess, count: number, listener = 0) {
  const clients = await Promise.all(
    Array.from({ length: count }, () => DialogueClient.connect({ port: postern.port(listener) })),
  );
  const firstLines = await Promise.all(clients.map((client) => client.expect(/^(220|421) /)));
  const greeted = clients.filter((_, index) => firstLines[index]!.startsWith("220 "));
  const sentAway = clients.filter((client) => !greeted.includes(client));
  // Whoever leaves without a word has no line.
  for (const client of greeted) await client.command("NOOP", /^250 /);
  return {
    greeted,
    sentAway,
    async close() {
      // Who only connects and goes is not told of.
      for (const client of greeted) await client.quit();
      for (const client of clients) await client[Symbol.asyncDispose]();
    },
  };
}

async function ended(postern: PosternProcess, count: number): Promise<void> {
  for (let conn = 1; conn <= count; conn++) {
    await postern.event("session_closed", (line) => line["conn"] === conn);
  }
}

Deno.test("limit_conn lets in exactly as many as it says, whichever worker they come to", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    mail: () => ({ worker_processes: 2, limit_conn: "client 7" }),
  }, async ({ postern }) => {
    const first = await openAll(postern, 40);
    assert.deepEqual([first.greeted.length, first.sentAway.length], [7, 33]);
    for (const client of first.sentAway) await client.expectEnd();
    // The places are free again once the sessions have ended.
    await first.close();
    await ended(postern, 40);
    const workers = new Set(
      postern.log.filter(({ event }) => event === "client_connected").map((line) => line["worker"]),
    );
    assert.equal(workers.size, 2);
    const second = await openAll(postern, 20);
    assert.equal(second.greeted.length, 7);
    await second.close();
    await ended(postern, 60);
    const hits = postern.log.filter(({ event }) => event === "limit_hit");
    assert.equal(hits.length, 33 + 13);
    assert.equal(new Set(hits.map((line) => line["worker"])).size, 2);
    assert.ok(hits.every((line) => line["limit"] === "conn_client" && line["network"] === "127.0.0.1"));
  });
});

Deno.test("limit_req lets in a burst of connections, and zones count apart", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    mail: () => ({ worker_processes: 2, limit_req: "connections client rate=1r/h burst=4" }),
    servers: () => [{}, { limit_req: "connections client rate=1r/h burst=1 zone=other" }],
  }, async ({ postern }) => {
    const first = await openAll(postern, 12);
    assert.equal(first.greeted.length, 5);
    await first.close();
    const second = await openAll(postern, 6, 1);
    assert.equal(second.greeted.length, 2);
    await second.close();
  });
});

Deno.test("limit_conn counts the sessions of a user after a good login", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({ worker_processes: 2, xclient: "off", limit_conn: "user 3" }),
  }, async ({ connect }) => {
    const outcomes = await Promise.all(Array.from({ length: 10 }, async () => {
      const client = await connect();
      await client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
      return { client, reply: await client.expect(/^(235 2\.0\.0 OK|421 4\.7\.0 .*)$/) };
    }));
    assert.equal(outcomes.filter(({ reply }) => reply.startsWith("235")).length, 3);
    await using other = await connect();
    await other.authPlain("alice", "secret");
    for (const { client } of outcomes) await client[Symbol.asyncDispose]();
  });
});

Deno.test("failed logins are refused unasked, then the address is banned, on whatever worker", async () => {
  await withEdge({
    callout: () => refused("wrong", "Auth-Wait: 1"),
    mail: () => ({ worker_processes: 2, limit_login: "client refuse=3 ban=5" }),
  }, async ({ connect, callout, postern }) => {
    const replies = [];
    for (let turn = 1; turn <= 5; turn++) {
      await using client = await connect();
      await client.send(`AUTH PLAIN ${btoa(`\0ada\0wrong ${turn}`)}\r\n`);
      replies.push((await client.expect(/^[45]/)).slice(0, 9));
      // The same password again is the same attempt.
      if (turn === 2) await client.authPlain("ada", "wrong 2", /^535 /);
    }
    assert.deepEqual(replies, ["535 5.7.0", "535 5.7.0", "535 5.7.0", "454 4.7.0", "421 4.7.0"]);
    assert.equal(callout.requests.length, 4);
    for (let turn = 0; turn < 4; turn++) {
      await using client = await connect(0, { greeting: false });
      await client.expect(BANNED);
      await client.expectEnd();
    }
    assert.equal((await postern.event("login_banned"))["seconds"], 900);
    assert.ok(!JSON.stringify(postern.log).includes("wrong 1"));
  });
});

Deno.test("access denies, and where TLS comes first nothing is said", async () => {
  await withEdge({
    callout: () => refused("not reached"),
    mail: (files) => ({ ...files.server(), access: ["allow 192.0.2.0/24", "deny 127.0.0.0/8"] }),
    servers: () => [{}, { ssl: "on" }, { access: "off" }],
  }, async ({ connect, postern }) => {
    await using denied = await connect(0, { greeting: false });
    await denied.expect("554 5.7.1 mail.test Access denied");
    await denied.expectEnd();
    await using silent = await connect(1, { greeting: false });
    await silent.expectEnd();
    await using allowed = await connect(2);
    await allowed.quit();
    await postern.event("session_closed", (line) => line["outcome"] === "denied" && line["conn"] === 2);
  });
});

const TOO_MANY_MESSAGES = "450 4.7.1 Too many messages, try again later";
const TOO_MANY_RECIPIENTS = "450 4.7.1 Too many recipients, try again later";

Deno.test("limit_req counts the messages and recipients of a user over all of his sessions", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({
      worker_processes: 2,
      xclient: "off",
      limit_req: ["messages user rate=1r/h burst=3", "recipients user rate=1r/h burst=5"],
    }),
  }, async ({ connect, postern }) => {
    await using first = await connect();
    await first.authPlain("ada", "secret");
    await first.sendMessage("Subject: 1\r\n\r\nx\r\n");
    await first.sendMessage("Subject: 2\r\n\r\nx\r\n");
    await using second = await connect();
    await second.authPlain("ADA", "secret");
    await second.command("MAIL FROM:<ada@example.test>", /^250[ -]/);
    for (let recipient = 3; recipient <= 6; recipient++) {
      await second.command(`RCPT TO:<r${recipient}@example.test>`, /^250[ -]/);
    }
    await second.command("RCPT TO:<r7@example.test>", TOO_MANY_RECIPIENTS);
    await second.command("DATA", /^354 /);
    await second.send("Subject: 3\r\n\r\nx\r\n");
    await second.command(".", /^250[ -]/);
    await first.command("MAIL FROM:<ada@example.test>", /^250[ -]/);
    await first.command("RSET", /^250[ -]/);
    await first.command("MAIL FROM:<ada@example.test>", TOO_MANY_MESSAGES);
    // The session goes on, and others have counts of their own.
    await first.command("NOOP", /^250[ -]/);
    await first.quit();
    await using other = await connect();
    await other.authPlain("alice", "secret");
    await other.sendMessage("Subject: 4\r\n\r\nx\r\n");
    await other.quit();
    await second.quit();
    assert.equal(sink.messages.length, 4);
    const ends = [1, 2, 3].map((conn) => postern.event("session_closed", (line) => line["conn"] === conn));
    await Promise.all(ends);
    const hits = postern.log.filter(({ event }) => event === "limit_hit").map((line) => line["limit"]);
    assert.deepEqual(hits.toSorted(), ["messages_user", "recipients_user"]);
  });
});

Deno.test("without a login, the first message counts before the relay and the others in it", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({
      worker_processes: 2,
      xclient: "off",
      smtp_auth: "none",
      limit_req: ["messages client rate=1r/h burst=2", "recipients client rate=1r/h burst=9"],
    }),
  }, async ({ connect }) => {
    await using first = await connect();
    for (let message = 1; message <= 2; message++) {
      await first.sendMessage(`Subject: ${message}\r\n\r\nx\r\n`);
    }
    await using second = await connect();
    await second.sendMessage("Subject: 3\r\n\r\nx\r\n");
    await second.command("MAIL FROM:<alice@example.test>", TOO_MANY_MESSAGES);
    await using third = await connect();
    await third.command("MAIL FROM:<alice@example.test>", /^250[ -]/);
    await third.command("RCPT TO:<bob@example.test>", TOO_MANY_MESSAGES);
    await third.quit();
    assert.equal(sink.messages.length, 3);
  });
});
