import assert from "node:assert/strict";
import type { DialogueClient } from "../support/dialogue_client.ts";
import { type Edge, withEdge } from "../support/edge.ts";
import type { PosternProcess } from "../support/postern_process.ts";
import { accepted } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const TOKEN = "correct horse battery".replaceAll(" ", "-");

interface Session {
  readonly id: string;
  readonly user: string | null;
  readonly state: string;
  readonly worker: number;
  readonly upstream: string | null;
  readonly bytes_to_upstream: number;
}

/** Asks the admin listener of a process. */
async function ask(
  postern: PosternProcess,
  request: string,
  headers: Record<string, string> = {},
): Promise<{ status: number; text: string }> {
  const { address } = await postern.event("admin_listening");
  const [method, path] = request.split(" ");
  const response = await fetch(`http://${address}${path}`, { method: method!, headers });
  return { status: response.status, text: await response.text() };
}

async function sessions(postern: PosternProcess, query = ""): Promise<readonly Session[]> {
  const { status, text } = await ask(postern, `GET /sessions${query}`);
  assert.equal(status, 200, text);
  return JSON.parse(text).sessions;
}

async function signedIn({ connect }: Edge, user: string): Promise<DialogueClient> {
  const client = await connect();
  await client.command("EHLO client.example", /^250[ -]/);
  await client.authPlain(user, "secret");
  return client;
}

const admin = { admin_listen: "127.0.0.1:0", xclient: "off", worker_processes: 2 };

Deno.test("the admin listener tells who is connected to any worker, and ends whom it is told to", async () => {
  await using sink = new SmtpSink();
  await withEdge({ callout: () => accepted(sink.port), mail: () => admin }, async (edge) => {
    const { postern } = edge;
    const users = Array.from({ length: 12 }, (_, index) => `user${index}@example.test`);
    const clients = await Promise.all(users.map((user) => signedIn(edge, user)));
    const all = await sessions(postern);
    assert.deepEqual(all.map(({ user }) => user).toSorted(), users.toSorted());
    assert.deepEqual([...new Set(all.map(({ state }) => state))], ["relaying"]);
    assert.deepEqual([...new Set(all.map(({ upstream }) => upstream))], [`127.0.0.1:${sink.port}`]);
    assert.deepEqual((await sessions(postern, "?limit=3")).length, 3);
    const [mine] = await sessions(postern, "?user=user3@example.test");
    assert.ok(mine !== undefined);
    assert.equal((await ask(postern, `DELETE /sessions/${mine.id}`)).status, 200);
    await clients[3]!.expectEnd();
    await postern.event(
      "session_closed",
      ({ session, outcome }) => session === mine.id && outcome === "dismissed",
    );
    assert.equal((await ask(postern, `DELETE /sessions/${mine.id}`)).status, 404);
    for (const [index, client] of clients.entries()) {
      if (index !== 3) await client.quit();
      await client[Symbol.asyncDispose]();
    }
  });
});

Deno.test("a user who is held waits in every worker until he is released, and then goes where he is now", async () => {
  await using before = new SmtpSink();
  await using after = new SmtpSink();
  let moved = false;
  await withEdge({
    callout: () => accepted((moved ? after : before).port),
    // An answer of before the move must not be remembered.
    mail: () => ({ ...admin, hold_timeout: "10m", auth_http_cache: "max=1000" }),
  }, async (edge) => {
    const { postern } = edge;
    const early = await signedIn(edge, "ada@example.test");
    await early.quit();
    await early[Symbol.asyncDispose]();
    assert.equal((await ask(postern, "PUT /holds/Ada@example.test?seconds=600")).status, 200);
    const { holds } = JSON.parse((await ask(postern, "GET /holds")).text);
    assert.equal(holds.length, 1);
    const waiting = Array.from({ length: 6 }, () => signedIn(edge, "ada@example.test"));
    for (let conn = 1; conn <= waiting.length; conn++) {
      await postern.event("sign_in_held", (line) => line["conn"] === conn + 1);
    }
    await (await signedIn(edge, "bob@example.test"))[Symbol.asyncDispose]();
    moved = true;
    assert.equal((await ask(postern, "DELETE /holds/ada@example.test")).status, 200);
    for (const client of await Promise.all(waiting)) {
      await client.sendMessage("Subject: x\r\n\r\nx\r\n");
      await client.quit();
      await client[Symbol.asyncDispose]();
    }
    assert.equal(after.messages.length, waiting.length);
    assert.equal(before.messages.length, 0);
  });
});

Deno.test("a user who is held for too long is told to come back", async () => {
  await withEdge({
    callout: () => accepted(1),
    mail: () => ({ ...admin, hold_timeout: "100ms", worker_processes: 1 }),
  }, async ({ postern, connect }) => {
    await ask(postern, "PUT /holds/ada");
    await using client = await connect();
    await client.authPlain("ada", "secret", "454 4.7.0 Mailbox is being moved, try again later");
    await client.expectEnd();
  });
});

Deno.test("the metrics are counted over all workers, as text and as JSON", async () => {
  await using sink = new SmtpSink();
  await withEdge({ callout: () => accepted(sink.port), mail: () => admin }, async (edge) => {
    const { postern } = edge;
    for (const user of ["ada", "bob", "eve"]) {
      await using client = await signedIn(edge, user);
      await client.quit();
    }
    for (let conn = 1; conn <= 3; conn++) {
      await postern.event("session_closed", (line) => line["conn"] === conn);
    }
    const { text } = await ask(postern, "GET /metrics");
    const listener = `127.0.0.1:${postern.port()}`;
    for (
      const line of [
        `postern_sessions_started_total{listener="${listener}"} 3`,
        `postern_sessions_ended_total{listener="${listener}",outcome="relayed"} 3`,
        'postern_auth_total{method="plain",outcome="accepted"} 3',
        'postern_upstream_dialogues_total{result="ok"} 3',
        "postern_callout_duration_seconds_count 3",
        "postern_upstream_connect_duration_seconds_count 3",
        "postern_relay_duration_seconds_count 3",
        'postern_sessions_in_state{state="relaying"} 0',
        'postern_worker_up{worker="1"} 1',
        'postern_worker_up{worker="2"} 1',
        "postern_worker_crashes_total 0",
      ]
    ) assert.ok(text.includes(line + "\n"), `${line} is missing in\n${text}`);
    assert.match(text, /^process_resident_memory_bytes [1-9]\d{6,}$/m);
    const json = JSON.parse((await ask(postern, "GET /metrics", { accept: "application/json" })).text);
    const started = json.find(({ name }: { name: string }) => name === "postern_sessions_started_total");
    assert.deepEqual(started.values, [{ value: 3, labels: { listener } }]);
  });
});

Deno.test("a process is ready until it drains, and healthy to its end", async () => {
  await using sink = new SmtpSink();
  await withEdge({ callout: () => accepted(sink.port), mail: () => admin }, async (edge) => {
    const { postern } = edge;
    assert.deepEqual(await ask(postern, "GET /readyz"), { status: 200, text: "ready\n" });
    assert.deepEqual(await ask(postern, "GET /healthz"), { status: 200, text: "ok\n" });
    await using client = await signedIn(edge, "ada");
    await client.beginMessage();
    postern.signal("SIGTERM");
    await postern.event("stopping");
    assert.deepEqual(await ask(postern, "GET /readyz"), { status: 503, text: "draining\n" });
    assert.deepEqual(await ask(postern, "GET /healthz"), { status: 200, text: "draining\n" });
    await client.quit();
    await postern.event("stopped");
  });
});

Deno.test("a process whose auth service fails is not ready", async () => {
  await withEdge({
    callout: () => "HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n",
    mail: () => admin,
  }, async ({ postern, connect }) => {
    await using client = await connect();
    await client.authPlain("ada", "secret", /^451 /);
    const { status, text } = await ask(postern, "GET /readyz");
    assert.deepEqual([status, text], [503, "the auth service failed when it was last asked\n"]);
  });
});

Deno.test("with a token the admin listener answers nothing but the health without it", async () => {
  await withEdge({
    callout: () => accepted(1),
    mail: ({ directory }) => {
      Deno.writeTextFileSync(`${directory}/token`, `${TOKEN}\n`);
      return { ...admin, worker_processes: 1, admin_token_file: `${directory}/token` };
    },
  }, async ({ postern }) => {
    assert.equal((await ask(postern, "GET /healthz")).status, 200);
    assert.equal((await ask(postern, "GET /sessions")).status, 401);
    assert.equal((await ask(postern, "GET /sessions", { authorization: `Bearer ${TOKEN}` })).status, 200);
  });
});
