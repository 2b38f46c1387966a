import assert from "node:assert/strict";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withPostern } from "../support/edge.ts";
import { runPostern } from "../support/postern_process.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

Deno.test("users with hashes of postern hash-password sign in without an auth service, on IPv4 and IPv6", async () => {
  const hash = await runPostern(["hash-password"], "pässword\n");
  assert.equal(hash.code, 0, hash.stderr);
  await using sink = new SmtpSink();
  await withTempDir(async (directory) => {
    const config = {
      mail: {
        server_name: "mail.test",
        xclient: "off",
        users: [{
          name: "jürgen@example.test",
          password_hash: hash.stdout.trim(),
          upstream: `127.0.0.1:${sink.port}`,
        }],
        servers: [{ listen: ["127.0.0.1:0", "[::1]:0"] }],
      },
    };
    await withPostern(config, directory, async (postern) => {
      const utf8 = (text: string) => String.fromCharCode(...new TextEncoder().encode(text));
      for (const [index, host] of ["127.0.0.1", "::1"].entries()) {
        await using client = await DialogueClient.connect({ host, port: postern.port(index) });
        await client.expect("220 mail.test ESMTP ready");
        await client.authPlain(utf8("jürgen@example.test"), "wrong", "535 5.7.8 Authentication failed");
        await client.authPlain("nobody@example.test", utf8("pässword"), "535 5.7.8 Authentication failed");
        await client.authLogin(utf8("jürgen@example.test"), utf8("pässword"), "235 2.0.0 OK");
        await client.quit();
      }
    });
  });
  assert.equal(sink.sessions.length, 2);
});

Deno.test("check prints what is in effect, and what it prints is a configuration with the same meaning", async () => {
  await withTempDir(async (directory) => {
    const [first, second] = [`${directory}/first.yaml`, `${directory}/second.yaml`];
    await Deno.writeTextFile(
      first,
      "mail:\n  auth_http: http://127.0.0.1:9/auth\n  timeout: 90s\n  servers:\n    - listen: 127.0.0.1:2525\n",
    );
    const printed = await runPostern(["check", "--config", first]);
    assert.equal(printed.code, 0, printed.stderr);
    await Deno.writeTextFile(second, printed.stdout);
    const again = await runPostern(["check", "--config", second]);
    assert.deepEqual([again.code, again.stdout], [0, printed.stdout]);
  });
});

Deno.test("wrong configurations exit with 1 and every problem with its line, wrong usage with 2", async () => {
  await withTempDir(async (directory) => {
    const file = `${directory}/bad.yaml`;
    await Deno.writeTextFile(
      file,
      "mail:\n  auth_http: http://127.0.0.1:9/auth\n  timeout: soon\n  servers:\n" +
        "    - listen: 127.0.0.1:2525\n      startls: on\n    - listen: 127.0.0.1:2525\n",
    );
    for (const command of ["check", "run"]) {
      const { code, stderr } = await runPostern([command, "--config", file]);
      assert.equal(code, 1, stderr);
      for (const line of [3, 6, 7]) assert.match(stderr, new RegExp(`bad\\.yaml:${line}\\b`), `line ${line}`);
    }
    assert.equal((await runPostern(["check", "--config", `${directory}/missing.yaml`])).code, 1);
    for (
      const args of [["check"], ["chekc"], [], ["run", "--config"], ["check", "--config", file, "--no-such"]]
    ) {
      assert.equal((await runPostern(args)).code, 2, args.join(" "));
    }
  });
});

Deno.test("an address that is taken ends run with 1, and says which", async () => {
  using taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const address = `127.0.0.1:${taken.addr.port}`;
  const forMail = { servers: [{ listen: address }] };
  const forAdmin = { servers: [{ listen: "127.0.0.1:0" }], admin_listen: address };
  for (const directives of [forMail, forAdmin]) {
    await withTempDir(async (directory) => {
      const file = `${directory}/postern.yaml`;
      await Deno.writeTextFile(
        file,
        JSON.stringify({ mail: { auth_http: "http://127.0.0.1:9/", ...directives } }),
      );
      const { code, stderr } = await runPostern(["run", "--config", file]);
      assert.equal(code, 1, stderr);
      assert.ok(stderr.includes(` on ${address}: `), stderr);
    });
  }
});

Deno.test("--help behind a command prints the usage, and is no wrong usage", async () => {
  for (const args of [["check", "--help"], ["run", "-h"], ["hash-password", "--help"], ["convert", "-h"]]) {
    const { code, stdout } = await runPostern(args);
    assert.equal(code, 0, args.join(" "));
    assert.match(stdout, /^Usage: postern COMMAND/);
  }
});
