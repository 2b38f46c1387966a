import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { peerPath, peerTest, runPeer } from "../support/peers.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { accepted } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { within } from "../support/patience.ts";

const PEERS = ["smtp-source", "smtp-sink"] as const;

/** Runs smtp-sink with `args` while `body` runs, and answers what it printed. */
async function withSmtpSink(args: readonly string[], body: (port: number) => Promise<void>): Promise<void> {
  // smtp-sink cannot ask the kernel for one.
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const child = new Deno.Command(peerPath("smtp-sink"), {
    // As root it insists on giving its privileges away.
    args: [...Deno.uid() === 0 ? ["-u", "nobody"] : [], ...args, `127.0.0.1:${port}`, "511"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await within(listening(port), () => "smtp-sink does not listen");
    await body(port);
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

async function listening(port: number): Promise<void> {
  for (;;) {
    try {
      const conn = await Deno.connect({ hostname: "127.0.0.1", port });
      await conn.read(new Uint8Array(100)); // its greeting: it serves
      return conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const ACCEPT = { smtp_auth: ["none"], xclient: "off", smtp_capabilities: ["PIPELINING", "8BITMIME"] };

peerTest("200 sessions at once go from smtp-source through Postern to smtp-sink", PEERS, async () => {
  await withSmtpSink(["-h", "sink.example"], async (port) => {
    await withEdge(
      { callout: () => accepted(port), servers: () => [ACCEPT] },
      async ({ postern, callout }) => {
        const target = `inet:127.0.0.1:${postern.port()}`;
        const output = await runPeer("smtp-source", ["-s", "200", "-m", "200", "-l", "4096", target]);
        assert.equal(output.code, 0, output.stderr);
        assert.equal(callout.requests.length, 200);
        const ended = await Promise.all(Array.from(
          { length: 200 },
          (_, i) => postern.event("session_closed", (line) => line["conn"] === i + 1),
        ));
        // smtp-source does not wait for the reply to its QUIT, and so resets some of its connections.
        for (const line of ended) assert.match(String(line["outcome"]), /^relay(ed|_lost)$/);
      },
    );
  });
});

peerTest("a message of 50 MB goes from smtp-source through Postern to smtp-sink", PEERS, async () => {
  await withSmtpSink(["-h", "sink.example"], async (port) => {
    await withEdge({ callout: () => accepted(port), servers: () => [ACCEPT] }, async ({ postern }) => {
      const target = `inet:127.0.0.1:${postern.port()}`;
      const output = await runPeer("smtp-source", [
        "-s",
        "1",
        "-m",
        "1",
        "-l",
        String(50 * 1024 * 1024),
        target,
      ]);
      assert.equal(output.code, 0, output.stderr);
    });
  });
});

peerTest("a file that smtp-source sends arrives as it does without Postern", ["smtp-source"], async () => {
  await using direct = new SmtpSink();
  await using behind = new SmtpSink();
  await withEdge({
    callout: () => accepted(behind.port),
    servers: () => [ACCEPT],
  }, async ({ postern, files }) => {
    const lines = Array.from(
      { length: 20_000 },
      (_, i) => `${"..".repeat(i % 3)}line ${i} ${"x".repeat(i % 70)}`,
    );
    await Deno.writeTextFile(`${files.directory}/message`, lines.join("\n") + "\n");
    for (const port of [direct.port, postern.port()]) {
      const output = await runPeer("smtp-source", [
        "-F",
        `${files.directory}/message`,
        `inet:127.0.0.1:${port}`,
      ]);
      assert.equal(output.code, 0, output.stderr);
    }
    assert.ok(direct.messages[0]!.octets > 700_000);
    assert.deepEqual(behind.messages[0], direct.messages[0]);
  });
});
