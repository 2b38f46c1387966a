import assert from "node:assert/strict";
import { type ClientAddress, DialogueClient } from "../support/dialogue_client.ts";
import { type Directives, withPostern } from "../support/edge.ts";
import { PosternProcess, runPostern } from "../support/postern_process.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { accepted, ScriptedCallout } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

const MAIL = { server_name: "old.test", auth_http: "127.0.0.1:1", servers: [{ listen: "127.0.0.1:0" }] };

/** A process whose configuration may be rewritten. */
interface Stage {
  readonly directory: string;
  readonly file: string;
  readonly postern: PosternProcess;
  /** Writes another configuration, of `mail:`. */
  write(mail: Directives): Promise<void>;
}

async function withStage(mail: Directives, body: (stage: Stage) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const pid = `${directory}/p.pid`;
    const file = `${directory}/postern.yaml`;
    const write = (next: Directives) => Deno.writeTextFile(file, JSON.stringify({ mail: { pid, ...next } }));
    await withPostern(
      { mail: { pid, ...mail } },
      directory,
      (postern) => body({ directory, file, postern, write }),
    );
    for (const name of ["p.pid", "p.pid.control"]) {
      await assert.rejects(Deno.stat(`${directory}/${name}`), Deno.errors.NotFound, name);
    }
  });
}

async function greeting(address: ClientAddress): Promise<string> {
  await using client = await DialogueClient.connect(address);
  const line = await client.expect(/^220 /);
  await client.quit();
  return line;
}

function eventsOf(postern: PosternProcess, name: string) {
  return postern.log.filter(({ event }) => event === name);
}

for (const workers of [1, 2]) {
  Deno.test(`SIGHUP puts another configuration in force, with ${workers} worker(s)`, async () => {
    await using sink = new SmtpSink();
    await using callout = new ScriptedCallout(() => accepted(sink.port));
    const mail = { ...MAIL, worker_processes: workers, auth_http: callout.url(), xclient: "off" };
    await withStage({ ...mail, servers: [{ listen: ["127.0.0.1:0", "127.0.0.2:0"] }] }, async (stage) => {
      const { postern, write } = stage;
      const [kept, ended] = [postern.port(0), postern.port(1)];
      await using talking = await DialogueClient.connect({ port: kept });
      await talking.expect("220 old.test ESMTP ready");
      await using relaying = await DialogueClient.connect({ port: kept });
      await relaying.expect("220 old.test ESMTP ready");
      await relaying.authPlain("alice", "secret");

      await write({
        ...mail,
        server_name: "new.test",
        servers: [{ listen: ["127.0.0.1:0", "127.0.0.3:0"] }],
      });
      postern.signal("SIGHUP");
      const reloaded = await postern.event("reloaded");
      assert.deepEqual([reloaded["listeners"], reloaded["workers"], reloaded["sessions"]], [2, workers, 2]);
      const added = postern.port(2);
      assert.equal(await greeting({ port: kept }), "220 new.test ESMTP ready");
      await using other = await DialogueClient.connect({ host: "127.0.0.3", port: added });
      await other.expect("220 new.test ESMTP ready");
      const [gone] = eventsOf(postern, "listening_ended");
      assert.equal(gone?.["address"], `127.0.0.2:${ended}`);
      await assert.rejects(
        DialogueClient.connect({ host: "127.0.0.2", port: ended }),
        Deno.errors.ConnectionRefused,
      );

      // Sessions that were there go on under the configuration that they began with.
      await talking.command("EHLO c.test", /^250-old\.test\r\n/);
      await talking.authPlain("bob", "secret");
      await talking.sendMessage("Subject: 1\r\n\r\nx\r\n");
      await relaying.sendMessage("Subject: 2\r\n\r\nx\r\n");
      await talking.quit();
      await relaying.quit();
      assert.equal(sink.messages.length, 2);
    });
  });
}

/** Limits that let in two connections of an address, and whether those count that have ended. */
const TWO_CONNECTIONS = [
  { limits: { limit_conn: "client 2" }, endedCount: false },
  { limits: { limit_req: "connections client rate=1r/d burst=1" }, endedCount: true },
] as const;

for (const { limits, endedCount } of TWO_CONNECTIONS) {
  Deno.test(`what was counted before a reload counts after it: ${Object.keys(limits)[0]}`, async () => {
    const mail = { ...MAIL, ...limits, worker_processes: 2 };
    await withStage(mail, async ({ postern, write }) => {
      const port = postern.port();
      const firstLine = async (client: DialogueClient) => (await client.expect(/^(220|421) /)).slice(0, 12);
      await using before = await DialogueClient.connect({ port });
      assert.equal(await firstLine(before), "220 old.test");
      await write({ ...mail, server_name: "new.test" });
      postern.signal("SIGHUP");
      await postern.event("reloaded");
      await using second = await DialogueClient.connect({ port });
      assert.equal(await firstLine(second), "220 new.test");
      await using third = await DialogueClient.connect({ port });
      assert.equal(await firstLine(third), "421 4.7.0 ne");
      // A session that began under the old configuration gives its place back to the new one.
      await before.quit();
      await postern.event("session_closed", (line) => line["outcome"] === "quit");
      await using fourth = await DialogueClient.connect({ port });
      assert.equal(await firstLine(fourth), endedCount ? "421 4.7.0 ne" : "220 new.test");
    });
  });
}

Deno.test("a bad file changes nothing, and all that is wrong with it is said", async () => {
  await withStage(MAIL, async ({ postern, file, write }) => {
    await write({ ...MAIL, timeout: "sixty", servers: [{ listen: "nowhere" }] });
    postern.signal("SIGHUP");
    assert.equal((await postern.event("reload_failed"))["problems"], 2);
    const problems = eventsOf(postern, "config_problem").map(({ msg }) => msg);
    assert.match(problems[0]!, /postern\.yaml:1:\d+: mail\.servers\[0\]\.listen/);
    assert.match(problems[1]!, /postern\.yaml:1:\d+: mail\.timeout: expected a time/);
    const checked = await runPostern(["reload", "--config", file]);
    assert.equal(checked.code, 1);
    for (const problem of problems) assert.ok(checked.stderr.includes(problem + "\n"), checked.stderr);
    assert.equal(await greeting({ port: postern.port() }), "220 old.test ESMTP ready");
    assert.equal(eventsOf(postern, "reloaded").length, 0);
  });
});

Deno.test("what only the running process can find out changes nothing either", async () => {
  await withStage(MAIL, async ({ postern, file, write }) => {
    const taken = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    const { port } = taken.addr as Deno.NetAddr;
    await write({
      ...MAIL,
      server_name: "new.test",
      servers: [{ listen: ["127.0.0.1:0", `127.0.0.1:${port}`] }],
    });
    const output = await runPostern(["reload", "--config", file]);
    taken.close();
    assert.deepEqual([output.code, output.stdout], [1, ""]);
    assert.match(output.stderr, new RegExp(`^postern: Cannot listen on 127\\.0\\.0\\.1:${port}: .*in use`));
    assert.match((await postern.event("config_problem")).msg, /Cannot listen on/);
    assert.equal(await greeting({ port: postern.port() }), "220 old.test ESMTP ready");
    // The next one is as good as the first.
    await write({ ...MAIL, server_name: "new.test" });
    const good = await runPostern(["reload", "--config", file]);
    assert.deepEqual([good.code, good.stderr], [0, ""]);
    assert.match(good.stdout, /^postern: reloaded, \d+ sessions go on/);
    assert.equal(await greeting({ port: postern.port() }), "220 new.test ESMTP ready");
  });
});

Deno.test("postern reload finds the process by its pid file, and says when there is none", async () => {
  await withStage(MAIL, async ({ directory, postern, write }) => {
    assert.equal(await Deno.readTextFile(`${directory}/p.pid`), `${postern.pid}\n`);
    assert.equal((await Deno.stat(`${directory}/p.pid.control`)).mode! & 0o777, 0o600);
    await write({ ...MAIL, server_name: "new.test" });
    const output = await runPostern(["reload", "--pid-file", `${directory}/p.pid`]);
    assert.deepEqual([output.code, output.stderr], [0, ""]);
    assert.equal(await greeting({ port: postern.port() }), "220 new.test ESMTP ready");
    const stray = await runPostern(["reload", "--pid-file", `${directory}/other.pid`]);
    assert.deepEqual([stray.code, stray.stderr], [
      1,
      `postern reload: no Postern runs that has the pid file ${directory}/other.pid\n`,
    ]);
    await Deno.symlink(`${directory}/postern.yaml`, `${directory}/linked.yaml`);
    const linked = await runPostern(["reload", "--config", `${directory}/linked.yaml`]);
    assert.equal(linked.code, 0, linked.stderr);
    const usage = await runPostern(["reload"]);
    assert.equal(usage.code, 2);
  });
});

Deno.test("postern reload does not take another file over than the one that the process reads", async () => {
  await withStage(MAIL, async ({ directory, postern, file, write }) => {
    const other = `${directory}/other.yaml`;
    await Deno.copyFile(file, other);
    await write({ ...MAIL, server_name: "new.test" });
    const output = await runPostern(["reload", "--config", other]);
    assert.deepEqual([output.code, output.stdout], [1, ""]);
    const own = await Deno.realPath(file);
    assert.equal(output.stderr, `postern reload: the process reads ${own}, nothing has changed\n`);
    assert.equal(await greeting({ port: postern.port() }), "220 old.test ESMTP ready");
  });
});

Deno.test("what only a start brings into force is said, and all else is in force", async () => {
  await withStage({ ...MAIL, worker_processes: 1 }, async ({ directory, postern, file, write }) => {
    const servers = [{ listen: "127.0.0.1:0 backlog=7" }];
    await write({
      ...MAIL,
      servers,
      worker_processes: 2,
      server_name: "new.test",
      pid: `${directory}/q.pid`,
    });
    const output = await runPostern(["reload", "--config", file, "--pid-file", `${directory}/p.pid`]);
    assert.equal(output.code, 0, output.stderr);
    assert.match(output.stdout, /worker_processes: .*\n.*pid: .*\n.*listen: the backlog of 127\.0\.0\.1:0 /);
    await postern.event("reloaded");
    assert.equal(eventsOf(postern, "restart_needed").length, 3);
    assert.equal(await greeting({ port: postern.port() }), "220 new.test ESMTP ready");
  });
});

Deno.test("logs and the admin listener follow the configuration", async () => {
  await withStage(MAIL, async ({ directory, file, write }) => {
    const log = `${directory}/new.log`;
    const admin = `${directory}/admin.sock`;
    await write({ ...MAIL, log: `${log} info`, admin_listen: `unix:${admin}` });
    assert.equal((await runPostern(["reload", "--config", file])).code, 0);
    (await Deno.connect({ transport: "unix", path: admin })).close();
    await write(MAIL);
    assert.equal((await runPostern(["reload", "--config", file])).code, 0);
    await assert.rejects(Deno.stat(admin), Deno.errors.NotFound);
    assert.match(await Deno.readTextFile(log), /"event":"reloaded"/);
  });
});

Deno.test("an nginx configuration is read and converted again", async () => {
  await withTempDir(async (directory) => {
    const file = `${directory}/nginx.conf`;
    const write = (name: string) =>
      Deno.writeTextFile(
        file,
        `pid p.pid; worker_processes 1; error_log stderr; daemon off;
         mail { auth_http 127.0.0.1:1/; server_name ${name};
           server { listen unix:${directory}/m.sock; protocol smtp; smtp_greeting_delay 0; } }`,
      );
    await write("old.test");
    const postern = await PosternProcess.startWith(["--nginx-conf", file]);
    try {
      await write("new.test");
      const output = await runPostern(["reload", "--nginx-conf", file]);
      assert.equal(output.code, 0, output.stderr);
      assert.equal(await greeting({ path: `${directory}/m.sock` }), "220 new.test ESMTP ready");
      await Deno.writeTextFile(file, "mail {");
      assert.equal((await runPostern(["reload", "--nginx-conf", file])).code, 1);
    } finally {
      await postern.stop();
    }
  });
});

Deno.test("a process with reuseport takes over from another: ports, Unix sockets, pid file and admin listener", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/m.sock`;
    // Two processes are to agree on it.
    using reserved = await ReservedPort.take();
    const { port } = reserved;
    const start = async (server_name: string, parameters = " reuseport") => {
      const file = `${directory}/${server_name}.yaml`;
      const listen = [`127.0.0.1:${port}`, `unix:${path}`].map((each) => each + parameters);
      const admin_listen = `unix:${directory}/admin.sock`;
      const mail = { ...MAIL, pid: "p.pid", admin_listen, server_name, servers: [{ listen }] };
      await Deno.writeTextFile(file, JSON.stringify({ mail }));
      return await PosternProcess.start(file);
    };
    const old = await start("old.test");
    await using waiting = await DialogueClient.connect({ port });
    await waiting.expect("220 old.test ESMTP ready");
    // Without the parameter it is a mistake, as always.
    await assert.rejects(start("mistaken.test", ""), /in use/);
    assert.equal(await Deno.readTextFile(`${directory}/p.pid`), `${old.pid}\n`);
    const next = await start("new.test");
    try {
      assert.equal(await greeting({ path }), "220 new.test ESMTP ready");
      await next.event("admin_waiting");
      const stopped = old.stop();
      await waiting.expect(/^421 4\.3\.2 old\.test /);
      await stopped;
      await next.event("admin_listening");
      assert.equal(await greeting({ port }), "220 new.test ESMTP ready");
      assert.equal(await greeting({ path }), "220 new.test ESMTP ready");
      assert.equal(await Deno.readTextFile(`${directory}/p.pid`), `${next.pid}\n`);
      assert.equal((await runPostern(["reload", "--pid-file", `${directory}/p.pid`])).code, 0);
    } finally {
      await next.stop();
    }
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});
