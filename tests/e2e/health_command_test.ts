import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { runPostern } from "../support/postern_process.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { accepted } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

Deno.test("postern health tells over TCP and over a Unix socket how the proxy is, and when nobody answers", async () => {
  await using sink = new SmtpSink();
  using nobody = await ReservedPort.take();
  await withTempDir(async (directory) => {
    const listeners: readonly { admin: string; token: boolean }[] = [
      { admin: "127.0.0.1:0", token: true },
      { admin: `unix:${directory}/admin.sock`, token: false },
    ];
    for (const { admin, token } of listeners) {
      await withEdge({
        callout: () => accepted(sink.port),
        mail: (files) => {
          if (!token) return { admin_listen: admin, auth_http: `http://127.0.0.1:${nobody.port}/` };
          const file = `${files.directory}/token`;
          Deno.writeTextFileSync(file, "0123456789abcdef0123\n");
          return { admin_listen: admin, admin_token_file: file };
        },
      }, async ({ postern }) => {
        const address = String((await postern.event("admin_listening"))["address"]);
        const well = await runPostern(["health", "--admin", address]);
        assert.deepEqual([well.code, well.stderr], [0, ""]);
        const ready = await runPostern(["health", "--admin", address, "--ready"]);
        // Without the auth service nobody can sign in, but a restart would not help.
        assert.equal(ready.code, token ? 0 : 1, ready.stdout + ready.stderr);
        assert.equal(ready.stderr === "", token);
      });
    }
    const gone = await runPostern(["health", "--admin", `unix:${directory}/admin.sock`]);
    assert.equal(gone.code, 1);
    assert.match(gone.stderr, /^postern health: /);
  });
});

Deno.test("postern health finds the admin listener in the configuration, or says that there is none", async () => {
  await withTempDir(async (directory) => {
    const file = `${directory}/postern.yaml`;
    const write = (admin: string) =>
      Deno.writeTextFile(
        file,
        `mail:\n  server_name: mail.test\n  auth_http: http://127.0.0.1:9/\n${admin}  servers:\n    - listen: 127.0.0.1:0\n`,
      );
    await write("");
    const none = await runPostern(["health", "--config", file]);
    assert.equal(none.code, 2);
    assert.match(none.stderr, /has no admin_listen/);
    await write(`  admin_listen: unix:${directory}/admin.sock\n`);
    const silent = await runPostern(["health", "--config", file]);
    assert.equal(silent.code, 1);
    assert.match(silent.stderr, /admin\.sock/);
  });
});
