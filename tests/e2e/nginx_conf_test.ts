import assert from "node:assert/strict";
import { installedNginx, NGINX_PACKAGES } from "../conformance/nginx_subject.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { within } from "../support/patience.ts";
import { PosternProcess, runPostern } from "../support/postern_process.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { accepted, httpAnswer, refused, ScriptedCallout } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

const NGINX = "/usr/sbin/nginx";
const MAIL_MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so";

interface Place {
  readonly prefix: string;
  readonly listen: number;
  readonly callout: number;
}

/** What an operator of nginx has: the mail part in a file of its own, relative names, everything logged. */
async function writeConfiguration({ prefix, listen, callout }: Place): Promise<void> {
  for (const name of ["conf", "conf/mail.d", "logs"]) await Deno.mkdir(`${prefix}/${name}`);
  await Deno.writeTextFile(
    `${prefix}/conf/nginx.conf`,
    `daemon off;
    master_process off;
    worker_processes 1;
    load_module ${MAIL_MODULE};
    pid logs/nginx.pid;
    error_log logs/error.log info;
    events { worker_connections 256; }
    mail {
      server_name mail.test;
      auth_http 127.0.0.1:${callout}/auth;
      include mail.d/*.conf;
    }\n`,
  );
  await Deno.writeTextFile(
    `${prefix}/conf/mail.d/submission.conf`,
    `server {
      listen 127.0.0.1:${listen};
      protocol smtp;
      xclient off;
      max_errors 2;
      timeout 10s;
    }\n`,
  );
}

/** The service: who may come in, and what goes wrong for whom. */
function calloutOf(upstream: () => number, refusing: () => number): ScriptedCallout {
  return new ScriptedCallout((request) => {
    if (request.header("Auth-Pass") !== "s3cret") return refused("Invalid login or password", "Auth-Wait: 1");
    switch (request.header("Auth-User")) {
      case "closed":
        return accepted(refusing());
      case "lost":
        return httpAnswer("Auth-Status: OK");
      case "named":
        return httpAnswer("Auth-Status: OK", "Auth-Server: 1.2.3.999", "Auth-Port: 25");
      default:
        return accepted(upstream());
    }
  });
}

/** One session after the other; the lines of a session come in its order. */
async function converse(port: number): Promise<void> {
  const session = async (body: (client: DialogueClient) => Promise<void>) => {
    await using client = await DialogueClient.connect({ port });
    await client.expect("220 mail.test ESMTP ready");
    await body(client);
    await client.expectEnd();
  };
  await session(async (client) => {
    await client.command("EHLO client.test", /^250/);
    await client.authPlain("eve", "guess", "535 5.7.0 Invalid login or password");
    await client.command("AUTH PLAIN !!!", "500 5.5.1 Invalid command");
    await client.authLogin("alice", "s3cret", "235 2.0.0 OK");
    await client.sendMessage("Subject: hi\r\n\r\nhello\r\n");
    await client.command("QUIT", /^221/);
  });
  await session(async (client) => {
    await client.command("MAIL FROM:<a@client.test>", "530 5.7.1 Authentication required");
    await client.command("BOGUS", "500 5.5.1 Invalid command");
    await client.command("BOGUS", "500 5.5.1 Invalid command");
  });
  for (const user of ["closed", "lost", "named"]) {
    await session((client) => client.authPlain(user, "s3cret", /^451 4\.3\.2/).then(() => {}));
  }
}

/** Lines about sessions, one session after the other, without what differs from run to run. */
function masked(log: string): string[] {
  const connection = (line: string) => Number(/ \*(\d+) /.exec(line)?.[1]);
  const lines = log.trimEnd().split("\n").filter((line) => connection(line) > 0);
  return lines.sort((a, b) => connection(a) - connection(b)).map((line) =>
    line.replace(/^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d /, "")
      .replace(/\d+#\d+: \*\d+/, "P#T: *N")
      .replaceAll(/127\.0\.0\.1:\d+/g, "127.0.0.1:PORT")
      // nginx shows the line end of a rejected command.
      .replace('__" while', '" while')
  );
}

Deno.test("run --nginx-conf serves from an nginx configuration, with its pid file and its error_log", async () => {
  await using sink = new SmtpSink();
  await using callout = calloutOf(() => sink.port, () => 1);
  // nginx takes no port 0.
  using listen = await ReservedPort.take();
  await withTempDir(async (prefix) => {
    await writeConfiguration({ prefix, listen: listen.port, callout: callout.port });
    const postern = await PosternProcess.startWith(["--nginx-conf", "conf/nginx.conf", "-p", prefix]);
    try {
      await Deno.stat(`${prefix}/logs/nginx.pid`);
      assert.equal(await Deno.readTextFile(`${prefix}/logs/nginx.pid`), `${postern.pid}\n`);
      await using client = await DialogueClient.connect({ port: postern.port() });
      await client.expect("220 mail.test ESMTP ready");
      await client.command("EHLO client.test", /^250/);
      await client.authPlain("eve", "guess", "535 5.7.0 Invalid login or password");
      // Rotation: what comes next goes into a new file.
      await Deno.rename(`${prefix}/logs/error.log`, `${prefix}/logs/error.log.1`);
      postern.signal("SIGUSR1");
      await within(exists(`${prefix}/logs/error.log`), () => "no new error.log");
      await client.authPlain("alice", "s3cret", "235 2.0.0 OK");
      await client.quit();
      await postern.event("session_closed");
    } finally {
      await postern.stop();
    }
    await assert.rejects(Deno.stat(`${prefix}/logs/nginx.pid`), Deno.errors.NotFound);
    const [before, after] = [`${prefix}/logs/error.log.1`, `${prefix}/logs/error.log`].map((path) =>
      Deno.readTextFileSync(path)
    ) as [string, string];
    // What an operator's fail2ban filter looks for.
    const filter =
      /^\S+ \S+ \[info\] \d+#\d+: \*\d+ client login failed: .* while in http auth state, client: (\S+), server: 127\.0\.0\.1:\d+, login: "eve"$/m;
    assert.equal(filter.exec(before)?.[1], "127.0.0.1", before);
    assert.match(
      before,
      /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[info\] (\d+)#\1: \*1 client 127\.0\.0\.1:\d+ connected to/m,
    );
    assert.doesNotMatch(after, /login failed/);
    assert.match(
      after,
      /\*1 proxied session done, client: 127\.0\.0\.1, server: \S+, login: "alice", upstream: \S+$/m,
    );
    for (const secret of ["guess", "s3cret", btoa("\0alice\0s3cret"), btoa("\0eve\0guess")]) {
      assert.equal((before + after).includes(secret), false, secret);
    }
  });
});

const version = await installedNginx();

Deno.test({
  name: "the error_log has the lines that nginx writes for the same configuration and the same sessions" +
    (version === null ? ` (apt-get install ${NGINX_PACKAGES})` : ""),
  ignore: version === null && Deno.env.get("POSTERN_REQUIRE_PEERS") !== "1",
  async fn() {
    await using sink = new SmtpSink();
    using refusing = await ReservedPort.take();
    await using callout = calloutOf(() => sink.port, () => refusing.port);
    using listen = await ReservedPort.take();
    const logs: string[][] = [];
    for (const start of [startNginx, startPostern]) {
      await withTempDir(async (prefix) => {
        await writeConfiguration({ prefix, listen: listen.port, callout: callout.port });
        const stop = await start(prefix, listen.port);
        try {
          await converse(listen.port);
        } finally {
          await stop();
        }
        logs.push(masked(await Deno.readTextFile(`${prefix}/logs/error.log`)));
      });
    }
    const [nginx, postern] = logs;
    assert.equal(nginx!.length, 14, nginx!.join("\n"));
    assert.deepEqual(postern, nginx);
  },
});

async function startPostern(prefix: string): Promise<() => Promise<void>> {
  const postern = await PosternProcess.startWith(["--nginx-conf", "conf/nginx.conf", "-p", prefix]);
  return () => postern.stop();
}

async function startNginx(prefix: string, listen: number): Promise<() => Promise<void>> {
  const child = new Deno.Command(NGINX, {
    args: ["-p", prefix, "-c", "conf/nginx.conf", "-e", "stderr"],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  await within(exists(`${prefix}/logs/nginx.pid`), () => `nginx does not start on port ${listen}`);
  return async () => {
    child.kill("SIGTERM");
    await child.status;
  };
}

async function exists(path: string): Promise<void> {
  while (!await Deno.stat(path).then(() => true, () => false)) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

Deno.test("run --nginx-conf says what it leaves out and what the runtime cannot do, and runs all the same", async () => {
  await withTempDir(async (prefix) => {
    const file = `${prefix}/nginx.conf`;
    await Deno.writeTextFile(
      file,
      `user nobody;\nmail {\n  auth_http 127.0.0.1:9/;\n  imap_auth plain;\n` +
        `  server { listen unix:${prefix}/smtp.sock; protocol smtp; }\n}\n`,
    );
    const postern = await PosternProcess.startWith(["--nginx-conf", file]);
    await postern.stop();
    assert.deepEqual(postern.log.filter(({ event }) => event === "said").map(({ msg }) => msg), [
      `${file}:4: imap_auth: Postern speaks SMTP only`,
      "postern: daemon: the runtime cannot detach, Postern stays in the foreground",
      "postern: user: the runtime cannot change its user, Postern keeps the one it has",
    ]);
  });
});

Deno.test("run --nginx-conf ends with 1 and nginx's words for what nginx would not run with", async () => {
  await withTempDir(async (prefix) => {
    const file = `${prefix}/nginx.conf`;
    const server = `server { listen unix:${prefix}/smtp.sock; protocol smtp; }`;
    const rows: readonly (readonly [text: string, said: RegExp])[] = [
      ["mail {\n server { listen 25 }\n}", /^postern run: unexpected "}" in \S+nginx\.conf:2\n$/],
      [
        `daemon off; pid none/p.pid; mail { auth_http 127.0.0.1:9/; ${server} }`,
        /\npostern: open\(\) "\S+\/none\/p\.pid" failed \(2: No such file or directory\)\n/,
      ],
      [
        `daemon off; error_log none/e.log; mail { auth_http 127.0.0.1:9/; ${server} }`,
        /^postern: cannot open a log: .*No such file or directory/,
      ],
    ];
    for (const [text, said] of rows) {
      await Deno.writeTextFile(file, text);
      const { code, stderr } = await runPostern(["run", "--nginx-conf", file]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, said);
    }
  });
});

Deno.test("check --nginx-conf prints what is in effect", async () => {
  await withTempDir(async (prefix) => {
    await writeConfiguration({ prefix, listen: 2525, callout: 9 });
    const { code, stdout, stderr } = await runPostern([
      "check",
      "--nginx-conf",
      `${prefix}/conf/nginx.conf`,
      "-p",
      prefix,
    ]);
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, new RegExp(`error_log:\\n\\s+- ['"]?${prefix}/logs/error\\.log info`));
    assert.match(stdout, /listen:\n\s+- ['"]?127\.0\.0\.1:2525/);
  });
});
