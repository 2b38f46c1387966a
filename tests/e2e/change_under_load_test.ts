import assert from "node:assert/strict";
import { DialogueClient } from "../support/dialogue_client.ts";
import { PosternProcess } from "../support/postern_process.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { accepted, ScriptedCallout } from "../support/scripted_callout.ts";
import { digestOf, SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Clients at a time. */
const CLIENTS = 6;

/** What the load found. */
interface Found {
  readonly sent: string[];
  /** Connections that were refused, sessions that were broken or sent away, one line each. */
  readonly failures: string[];
  /** Connections that were reset before a word was said; the client tried again. */
  resets: number;
}

/** Sends messages, each in a session of its own, until told to stop. */
async function sendUntil(port: number, done: () => boolean): Promise<Found> {
  const found: Found = { sent: [], failures: [], resets: 0 };
  let count = 0;
  const client = async () => {
    while (!done()) {
      const content = `Subject: message ${++count}\r\n\r\nbody\r\n`;
      let greeted = false;
      try {
        await using session = await DialogueClient.connect({ port });
        await session.expect(/^220 /);
        greeted = true;
        await session.authPlain("alice", "secret");
        await session.sendMessage(content);
        found.sent.push(digestOf(new TextEncoder().encode(content)));
        await session.quit();
      } catch (error) {
        const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
        // A reset may come before the runtime has asked the kernel for the peer's address: then it is not connected.
        if (!greeted && /ConnectionReset|NotConnected/.test(text)) found.resets++;
        else found.failures.push(text);
      }
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  return found;
}

interface Stage {
  readonly sink: SmtpSink;
  readonly port: number;
  readonly file: string;
  write(name: string): Promise<void>;
}

async function withStage(
  mail: Readonly<Record<string, unknown>>,
  parameters: string,
  body: (stage: Stage) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    await using sink = new SmtpSink();
    await using callout = new ScriptedCallout(() => accepted(sink.port));
    // Two processes are to agree on it.
    using reserved = await ReservedPort.take();
    const { port } = reserved;
    const file = `${directory}/postern.yaml`;
    const write = async (server_name: string) => {
      const servers = [{ listen: `127.0.0.1:${port}${parameters}` }];
      const whole = { auth_http: callout.url(), xclient: "off", server_name, pid: "p.pid", ...mail, servers };
      await Deno.writeTextFile(`${file}.new`, JSON.stringify({ mail: whole }));
      await Deno.rename(`${file}.new`, file);
    };
    await write("first.test");
    await body({ sink, port, file, write });
  });
}

/** Whether the kernel hands what waits at a socket that is closed to another one on the same port. */
async function kernelMigrates(): Promise<boolean> {
  const { stdout } = await new Deno.Command("cat", {
    args: ["/proc/sys/net/ipv4/tcp_migrate_req"],
    stderr: "null",
  }).output();
  return new TextDecoder().decode(stdout).trim() === "1";
}

/** Each message that a client was told is accepted has come once, and no other. */
function assertNothingLost(sink: SmtpSink, { sent, failures }: Found): void {
  assert.deepEqual(failures, []);
  assert.deepEqual(sink.messages.map(({ digest }) => digest).toSorted(), sent.toSorted());
}

async function untilMore(sink: SmtpSink, messages: number): Promise<void> {
  const enough = sink.messages.length + messages;
  while (sink.messages.length < enough) await new Promise((resolve) => setTimeout(resolve, 20));
}

for (const workers of [1, 2]) {
  Deno.test(`reloads under load refuse no connection and lose no message: ${workers} worker(s)`, async () => {
    await withStage({ worker_processes: workers }, "", async ({ sink, port, file, write }) => {
      const postern = await PosternProcess.start(file);
      try {
        let done = false;
        const load = sendUntil(port, () => done);
        for (let round = 1; round <= 8; round++) {
          await untilMore(sink, 5);
          await write(`name${round}.test`);
          postern.signal("SIGHUP");
          await postern.event("reloaded", (line) => line["generation"] === round + 1);
        }
        await untilMore(sink, 5);
        done = true;
        const found = await load;
        assertNothingLost(sink, found);
        assert.equal(found.resets, 0);
      } finally {
        await postern.stop();
      }
    });
  });

  Deno.test(`a rolling restart under load loses no message and breaks no session: ${workers} worker(s)`, async () => {
    await withStage({ worker_processes: workers }, " reuseport", async ({ sink, port, file, write }) => {
      let old = await PosternProcess.start(file);
      try {
        let done = false;
        const load = sendUntil(port, () => done);
        for (let round = 1; round <= 2; round++) {
          await untilMore(sink, 20);
          await write(`name${round}.test`);
          const next = await PosternProcess.start(file);
          await untilMore(sink, 5);
          await old.stop();
          old = next;
        }
        await untilMore(sink, 20);
        done = true;
        const found = await load;
        assertNothingLost(sink, found);
        // Otherwise the kernel resets who comes in the moment in which a socket is closed.
        if (await kernelMigrates()) assert.equal(found.resets, 0);
      } finally {
        await old.stop();
      }
    });
  });
}
