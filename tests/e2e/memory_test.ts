import assert from "node:assert/strict";
import v8 from "node:v8";
import vm from "node:vm";
import { diskFiles } from "../../src/app/disk_files.ts";
import { type Postern, serve } from "../../src/app/serve.ts";
import { loadConfig } from "../../src/config/load.ts";
import { NO_METRICS } from "../../src/telemetry/metrics.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { certificateFiles } from "../support/edge.ts";
import { within } from "../support/patience.ts";
import { PeerServer } from "../support/peer_server.ts";
import { withTempDir } from "../support/temp_dir.ts";

v8.setFlagsFromString("--expose-gc");
const collect: () => void = vm.runInNewContext("gc");

/** A mail server that keeps nothing of what it took. */
function forgetfulMailServer(): PeerServer {
  return new PeerServer(async (stream) => {
    const say = (text: string) => stream.write(new TextEncoder().encode(text + "\r\n"));
    await say("220 mx.test");
    let rest = "";
    let inData = false;
    for (let octets = await stream.read(); octets !== null; octets = await stream.read()) {
      const lines = (rest + new TextDecoder("latin1").decode(octets)).split("\r\n");
      rest = lines.pop()!;
      for (const line of lines) {
        if (inData && line !== ".") continue;
        if (line === "QUIT") return await say("221 bye");
        await say(line === "DATA" ? "354 go on" : "250 OK");
        inData = line === "DATA";
      }
    }
  });
}

/** A service that lets alice in and never answers for slow. */
function authService(mailPort: number): Deno.HttpServer<Deno.NetAddr> {
  return Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const user = request.headers.get("auth-user");
    if (user === "slow") await new Promise((resolve) => request.signal.addEventListener("abort", resolve));
    const headers = user === "alice"
      ? { "Auth-Status": "OK", "Auth-Server": "127.0.0.1", "Auth-Port": String(mailPort) }
      : { "Auth-Status": "no such user" };
    return new Response(null, { headers });
  });
}

type Way = (client: DialogueClient, tls: { readonly authorities: string }) => Promise<unknown>;

const login = (user: string) => btoa(`\0${user}\0x`);

/** Every way in which sessions end; the test closes them afterwards. */
const WAYS: Readonly<Record<string, Way>> = {
  "says nothing": () => Promise.resolve(),
  "quits": (client) => client.quit(),
  "leaves in the middle of a line": (client) => client.send("EHLO clie"),
  "aborts AUTH LOGIN": (client) => client.command("AUTH LOGIN", /^334 /),
  "aborts AUTH PLAIN in a line": async (client) => {
    await client.command("AUTH PLAIN", /^334 /);
    await client.send("AGFsaWNl");
  },
  "sends base64 that is none": (client) => client.command("AUTH PLAIN !!!", /^50/),
  "is refused": (client) => client.authPlain("mallory", "x", /^535 /),
  "leaves while the auth service is asked": (client) => client.send(`AUTH PLAIN ${login("slow")}\r\n`),
  "quits inside TLS": async (client, tls) => {
    await client.command("STARTTLS", /^220 /);
    await client.startTls({ ...tls, serverName: "mail.test" });
    await client.quit();
  },
  "breaks the handshake": async (client) => {
    await client.command("STARTTLS", /^220 /);
    await client.send("no TLS at all\r\n");
  },
  "leaves in the handshake": (client) => client.command("STARTTLS", /^220 /),
  "leaves the relay without a word": (client) => client.authPlain("alice", "x"),
  "leaves in DATA": async (client) => {
    await client.authPlain("alice", "x");
    await client.command("MAIL FROM:<a@example.test>", /^250 /);
    await client.command("RCPT TO:<b@example.test>", /^250 /);
    await client.command("DATA", /^354 /);
    await client.send("Subject: ");
  },
  "sends a message": async (client) => {
    await client.authPlain("alice", "x");
    await client.sendMessage("Subject: x\r\n\r\nx\r\n");
    await client.quit();
  },
};

/** Waits until the proxy has no session left, then tells what is in use after a collection, in octets. */
async function settled(postern: Postern): Promise<number> {
  const over = (async () => {
    while (postern.sessions > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  })();
  await within(over, () => `${postern.sessions} sessions do not end`);
  // What the last turns of the loop still hold is let go.
  for (let turn = 0; turn < 3; turn++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    collect();
  }
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

Deno.test("sessions leave nothing behind in memory, however they end (CVE-2017-15132)", async (t) => {
  await withTempDir(async (directory) => {
    const files = await certificateFiles(directory);
    await using mailServer = forgetfulMailServer();
    await using service = authService(mailServer.port);
    const text = JSON.stringify({
      mail: {
        server_name: "mail.test",
        auth_http: `http://127.0.0.1:${service.addr.port}/`,
        xclient: "off",
        starttls: "on",
        auth_http_timeout: "2s",
        ...files.server(),
        servers: [{ listen: "127.0.0.1:0" }],
      },
    });
    const config = loadConfig(text, `${directory}/postern.yaml`, diskFiles);
    assert.ok("servers" in config, JSON.stringify(config));
    const log = { enabled: () => false, event: () => {} };
    const postern = await serve(config, { log, metrics: NO_METRICS });
    const [address] = postern.addresses;
    assert.ok(address?.kind === "tcp");
    const { port } = address;
    const tls = { authorities: files.made.root.certificate };
    try {
      for (const [name, way] of Object.entries(WAYS)) {
        await t.step(name, async () => {
          const sessions = async (count: number) => {
            for (let done = 0; done < count; done += 20) {
              await Promise.all(Array.from({ length: 20 }, async () => {
                const client = await DialogueClient.connect({ port });
                await client.expect(/^220 /);
                await way(client, tls);
                await client.close();
              }));
            }
          };
          // Pools and caches fill and code is compiled.
          await sessions(60);
          const before = await settled(postern);
          await sessions(160);
          const perSession = (await settled(postern) - before) / 160;
          // The client of the test, in the same process, leaves some hundred; a session has more than ten thousand.
          assert.ok(perSession < 3000, `${Math.round(perSession)} octets stay behind for each session`);
        });
      }
    } finally {
      await postern.stop(0);
    }
  });
});
