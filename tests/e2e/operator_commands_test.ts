/**
 * `postern test-auth` and `postern probe` against a running proxy and its auth service.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Edge, withEdge } from "../support/edge.ts";
import { runPostern } from "../support/postern_process.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";

const PASSWORD = "s3cret-pass";

async function testAuth(edge: Edge, args: readonly string[]) {
  const config = ["--config", `${edge.files.directory}/postern.yaml`];
  return await runPostern(["test-auth", ...config, ...args], `${PASSWORD}\n`);
}

Deno.test("test-auth asks the auth service as the proxy does, and says what would follow", async () => {
  await withEdge({
    callout: (request) => {
      const user = request.header("Auth-User");
      if (user === "down") return "HTTP/1.1 500 no\r\ncontent-length: 0\r\n\r\n";
      if (request.header("Auth-Pass") !== PASSWORD) return refused("Invalid login", "Auth-Wait: 3");
      return accepted(
        2525,
        "Auth-User: ada@mail.test",
        "Auth-Upstream-TLS: starttls",
        "Auth-Upstream-Auth: plain",
      );
    },
    mail: () => ({ auth_http_header: { "X-Auth-Key": "kept" } }),
  }, async (edge) => {
    const good = await testAuth(edge, ["--user", "ada", "--client", "192.0.2.7"]);
    assert.equal(good.code, 0, good.stderr);
    for (
      const line of [
        "> Auth-User: ada",
        "> Auth-Pass: ***",
        "> Client-IP: 192.0.2.7",
        "> X-Auth-Key: ***",
        "< Auth-Status: OK",
        'accepted as "ada@mail.test", the name that Auth-User gives',
        "mail server: 127.0.0.1:2525",
        'TLS to it: with STARTTLS, with a certificate for "127.0.0.1" that is verified',
        "PROXY header to it: none",
        'sign-in there: as "ada@mail.test" with PLAIN; the password is the client\'s own',
      ]
    ) assert.ok(good.stdout.includes(line + "\n"), `${line} is missing in\n${good.stdout}`);
    assert.ok(!(good.stdout + good.stderr).includes(PASSWORD));

    const bad = await testAuth(edge, ["--user", "ada", "--method", "cram-md5"]);
    assert.equal(bad.code, 1);
    assert.match(bad.stdout, /refused: the client is told "535 5\.7\.0 Invalid login"\nafter 3 s/);

    const down = await testAuth(edge, ["--user", "down"]);
    assert.equal(down.code, 3);
    assert.match(down.stdout, /no usable answer \(status\): .*\n(?:.*\n)?the client is told 451 4\.3\.2/);

    for (
      const args of [[], ["--user", "ada", "--method", "made-up"], [
        "--user",
        "ada",
        "--server",
        "1.2.3.4:25",
      ]]
    ) {
      assert.equal((await testAuth(edge, args)).code, 2, args.join(" "));
    }
  });
});

Deno.test("test-auth asks about a client inside TLS where no other one may sign in", async () => {
  for (const [server, header] of [[{ starttls: "only" }, true], [{ starttls: "on" }, false]] as const) {
    await withEdge({
      callout: () => accepted(2525),
      mail: (files) => files.server(),
      servers: () => [server],
    }, async (edge) => {
      const { stdout } = await testAuth(edge, ["--user", "ada"]);
      assert.equal(stdout.includes("> Auth-SSL: on\n"), header, stdout);
    });
  }
});

Deno.test("probe shows what a client sees of a listener, and fails where a client would", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) =>
      request.header("Auth-Pass") === PASSWORD ? accepted(sink.port) : refused("Invalid login"),
    mail: (files) => ({ ...files.server(), xclient: "off", smtp_capabilities: ["SIZE 1000"] }),
    servers: () => [{ starttls: "only" }, { listen: "127.0.0.1:0 ssl" }, {}],
  }, async ({ postern, files }) => {
    const probe = async (port: number, ...args: string[]) =>
      await runPostern(["probe", `127.0.0.1:${port}`, ...args], `${PASSWORD}\n`);
    const trusted = ["--ca", files.root, "--name", "mail.test"];
    const login = ["--user", "ada", "--from", "ada@mail.test", "--to", "bob@mail.test"];

    const good = await probe(postern.port(0), "--starttls", ...trusted, ...login);
    assert.equal(good.code, 0, good.stdout + good.stderr);
    const order = [
      "< 220 mail.test ESMTP ready",
      "> EHLO probe.invalid",
      "< 250 STARTTLS",
      "> STARTTLS",
      "TLS: TLSv1.3, ",
      "certificate: ",
      "< 250 AUTH PLAIN LOGIN",
      "> AUTH PLAIN ***",
      "< 235 2.0.0 OK",
      "> RCPT TO:<bob@mail.test>",
      "> RSET",
      "> QUIT",
      "a client that verifies accepts the certificate",
      "ok",
    ].map((text) => good.stdout.indexOf(text));
    assert.ok(order.every((at, index) => at > (order[index - 1] ?? -1)), `${order}\n${good.stdout}`);
    assert.match(good.stdout, /valid until \d{4}-\d\d-\d\d \(\d+ days left\)/);
    assert.ok(!good.stdout.includes(btoa(`\0ada\0${PASSWORD}`)));
    assert.equal(sink.messages.length, 0);

    assert.equal((await probe(postern.port(1), "--ssl", ...trusted)).code, 0);
    const stranger = await probe(postern.port(1), "--ssl", "--name", "mail.test");
    assert.equal(stranger.code, 1);
    assert.match(stranger.stderr, /^failed: a client that verifies does not accept the certificate: /);
    assert.equal((await probe(postern.port(1), "--ssl", "--name", "mail.test", "--insecure")).code, 0);
    const without = await probe(postern.port(2), "--starttls");
    assert.deepEqual([without.code, without.stderr], [1, "failed: STARTTLS is not offered\n"]);
    const wrong = await runPostern(["probe", `127.0.0.1:${postern.port(2)}`, "--user", "eve"], "wrong\n");
    assert.deepEqual([wrong.code, wrong.stderr], [1, "failed: AUTH was answered with 535, not with 235\n"]);
    assert.equal((await probe(postern.port(0), "--ssl", "--insecure")).code, 1);
    assert.equal((await probe(0)).code, 2);
  });
});

Deno.test("top --once shows who is connected, over a Unix socket and with the token of the configuration", async () => {
  await using sink = new SmtpSink();
  await withEdge({
    callout: () => accepted(sink.port),
    mail: ({ directory }) => {
      Deno.writeTextFileSync(`${directory}/token`, "0123456789abcdef\n");
      const admin = { admin_listen: `unix:${directory}/admin.sock`, admin_token_file: `${directory}/token` };
      return { ...admin, xclient: "off", worker_processes: 2 };
    },
  }, async ({ files, connect }) => {
    await using client = await connect();
    await client.authPlain("ada@example.test", "secret");
    const config = ["--config", `${files.directory}/postern.yaml`];
    const { code, stdout, stderr } = await runPostern(["top", "--once", "--interval", "0.1", ...config]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^postern \S+, up 0 min, workers 2\/2, /);
    assert.match(stdout, /\nada@example\.test +1 .* relaying /);
    const refused = await runPostern(["top", "--once", "--admin", `unix:${files.directory}/admin.sock`]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /: 401 the token of admin_token_file is missing or wrong\n$/);
    await client.quit();
  });
  assert.equal((await runPostern(["top", "--admin", "example.com:1"])).code, 2);
});
