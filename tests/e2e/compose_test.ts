import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withPostern } from "../support/edge.ts";
import { within } from "../support/patience.ts";
import { runToEnd } from "../support/peers.ts";
import { withTempDir } from "../support/temp_dir.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const { services } = parse(await Deno.readTextFile(`${ROOT}scripts/container/compose.yaml`));

/** The words that start a service's program, with `changes` in its command line. */
async function commandOf(service: string, changes: Readonly<Record<string, string>>): Promise<string[]> {
  const dockerfile = await Deno.readTextFile(`${ROOT}scripts/container/Dockerfile`);
  const entry: string[] = JSON.parse(/^ENTRYPOINT (\["deno".*\])$/m.exec(dockerfile)![1]!);
  const { stdout } = await runToEnd(Deno.execPath(), ["task", "-q", "imports"], { input: "", cwd: ROOT });
  const map = stdout.trim() === "" ? [] : [stdout.trim()];
  const words: string[] = services[service].command;
  return ["run", ...map, ...entry.slice(2), ...words.map((word) => changes[word] ?? word)];
}

/** Starts a service of the compose file and answers its port. */
async function start(service: string, changes: Readonly<Record<string, string>>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: await commandOf(service, changes),
    cwd: ROOT,
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const listening = Promise.withResolvers<number>();
  const output = { text: "" };
  const reading = (async () => {
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) {
      output.text += chunk;
      const port = /listens on port (\d+)/.exec(output.text)?.[1];
      if (port !== undefined) listening.resolve(Number(port));
    }
    listening.reject(new Error(`${service} ended: ${output.text}`));
  })();
  // Nobody waits for it any more when the service ends as it should.
  listening.promise.catch(() => {});
  const port = await within(listening.promise, () => `${service} does not listen: ${output.text}`, {
    ms: 60_000,
  });
  return {
    port,
    output,
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      await within(Promise.all([child.status, reading]), () => `${service} does not end`);
    },
  };
}

Deno.test("the services of the compose file let ada send a message through Postern to the sink", async () => {
  await withTempDir(async (directory) => {
    const made = await runToEnd(
      Deno.execPath(),
      (await commandOf("certificate", { "/tls": directory })).map((word) =>
        word.startsWith("--allow-write") ? `--allow-write=${directory}` : word
      ),
      { input: "", cwd: ROOT },
    );
    assert.equal(made.code, 0, made.stderr);
    await using sink = await start("sink", { "0.0.0.0:2525": "127.0.0.1:0" });
    await using auth = await start("auth", {
      "0.0.0.0:9000": "127.0.0.1:0",
      "sink:2525": `127.0.0.1:${sink.port}`,
    });
    const { mail } = parse(await Deno.readTextFile(`${ROOT}scripts/container/postern.yaml`));
    const config = {
      mail: {
        ...mail,
        auth_http: mail.auth_http.replace("auth:9000", `127.0.0.1:${auth.port}`),
        ssl_certificate: `${directory}/cert.pem`,
        ssl_certificate_key: `${directory}/key.pem`,
        log: "stderr info",
        admin_listen: "127.0.0.1:0",
        servers: mail.servers.map((server: Record<string, unknown>) => ({
          ...server,
          listen: "127.0.0.1:0",
        })),
      },
    };
    await withPostern(config, directory, async (postern) => {
      const authorities = await Deno.readTextFile(`${directory}/cert.pem`);
      for (const [index, words] of ["first", "second"].entries()) {
        await using client = await DialogueClient.connect({ port: postern.port(index) });
        if (index === 0) {
          await client.expect(/^220 mail\.example\.com /);
          await client.command("STARTTLS", /^220 /);
        }
        await client.startTls({ authorities, serverName: "mail.example.com" });
        if (index === 1) await client.expect(/^220 mail\.example\.com /);
        await client.command("EHLO client.example", /^250-/);
        await client.authPlain("ada", "correct-horse");
        await client.sendMessage(`Subject: ${words}\r\n\r\nx\r\n`);
        await client.quit();
      }
    });
    assert.match(sink.output.text, /Subject: first[\s\S]*Subject: second/);
    assert.doesNotMatch(auth.output.text, /correct-horse/);
  });
});
