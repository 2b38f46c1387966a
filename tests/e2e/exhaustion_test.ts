import assert from "node:assert/strict";
import type { DialogueClient } from "../support/dialogue_client.ts";
import { type Edge, withEdge } from "../support/edge.ts";
import { until } from "../support/patience.ts";
import { fileLimit, limitFiles, openFiles } from "../support/process_facts.ts";
import { accepted } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

/** Numbers that the next descriptors of the process will have, in order. */
function freeFiles(pid: number): number[] {
  const taken = new Set(openFiles(pid));
  return Array.from({ length: 100 }, (_, number) => number).filter((number) => !taken.has(number));
}

/** A whole session with one message. */
async function sendOne(edge: Edge): Promise<void> {
  await using client = await edge.connect();
  await client.authPlain("alice", "secret");
  await client.sendMessage("Subject: x\r\n\r\nx\r\n");
  await client.quit();
}

Deno.test("out of file descriptors: those who are in go on, the others are served when some come back", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({ xclient: "off", worker_processes: 1, timeout: "20s" }),
  }, async (edge) => {
    const { connect, postern } = edge;
    // What a session opens for the first time is open before the base is taken.
    await sendOne(edge);
    await postern.event("session_closed");
    const base = openFiles(postern.pid).length;
    await using relaying = await connect();
    await relaying.authPlain("alice", "secret");
    // The limit is one of numbers, of which some above it may be taken already.
    const limit = Math.min(...freeFiles(postern.pid)) + 5;
    limitFiles(postern.pid, limit);
    const clients: DialogueClient[] = [];
    for (let i = 0; i < 40; i++) clients.push(await connect(0, { greeting: false }));
    await until(() => freeFiles(postern.pid)[0]! >= limit, () => "all descriptors are taken");
    await postern.event("accept_failed");
    // A relay needs no descriptor.
    await relaying.sendMessage("Subject: y\r\n\r\ny\r\n");
    // A login does, for the auth service or the mail server: a temporary failure, and nobody else notices.
    const [first] = clients;
    await first!.expect(/^220 /);
    await first!.authPlain("alice", "secret", /^451 4\.3\.2 /);
    await first!.close();
    for (const client of clients.slice(1)) {
      await client.expect(/^220 /);
      await client.quit();
      await client.close();
    }
    limitFiles(postern.pid, fileLimit());
    await sendOne(edge);
    await relaying.quit();
    await until(() => openFiles(postern.pid).length <= base, () => "the descriptors come back");
    assert.equal(sink.messages.length, 3);
  });
});

/** Connects and waits for the greeting, with next to no memory. */
async function silentClient(port: number): Promise<Deno.TcpConn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.read(new Uint8Array(64));
  return conn;
}

Deno.test("10,000 connections that say nothing: others are served, and all of it is given back", async () => {
  const count = Math.min(10_000, fileLimit() - 500);
  assert.ok(count >= 500, "this machine allows too few file descriptors for the test");
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: () => ({ xclient: "off", worker_processes: 1, timeout: "10m", log: "stderr notice" }),
  }, async (edge) => {
    const { postern } = edge;
    await sendOne(edge);
    const base = openFiles(postern.pid).length;
    for (let round = 0; round < 2; round++) {
      const conns: Deno.TcpConn[] = [];
      while (conns.length < count) {
        const batch = Array.from(
          { length: Math.min(250, count - conns.length) },
          () => silentClient(postern.port()),
        );
        conns.push(...await Promise.all(batch));
      }
      assert.ok(openFiles(postern.pid).length >= count, "all of them are connected");
      await sendOne(edge);
      for (const conn of conns) conn.close();
      await until(() => openFiles(postern.pid).length <= base, () => "the descriptors come back");
    }
    assert.equal(sink.messages.length, 3);
  });
});
