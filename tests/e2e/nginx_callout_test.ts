import assert from "node:assert/strict";
import { certificateFiles, type Directives, withPostern } from "../support/edge.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { peerPath, peerTest } from "../support/peers.ts";
import { within } from "../support/patience.ts";
import { ReservedPort } from "../support/reserved_port.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Runs nginx's http server on Unix sockets and a TLS port, as an auth service, while `body` runs. */
async function withNginx(
  directory: string,
  servers: string,
  isReady: () => Promise<void>,
  body: () => Promise<void>,
): Promise<void> {
  await Deno.writeTextFile(
    `${directory}/nginx.conf`,
    `daemon off; master_process off; pid ${directory}/nginx.pid; error_log ${directory}/error.log notice;
    events { worker_connections 256; }
    http {
      log_format asked '$http_auth_user $connection_requests $server_protocol';
      access_log ${directory}/access.log asked;
      client_body_temp_path ${directory}; proxy_temp_path ${directory}; fastcgi_temp_path ${directory};
      uwsgi_temp_path ${directory}; scgi_temp_path ${directory};
      ${servers}
    }`,
  );
  const child = new Deno.Command(peerPath("nginx"), {
    args: ["-p", directory, "-c", `${directory}/nginx.conf`, "-e", `${directory}/error.log`],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  try {
    await within(isReady(), () => `nginx does not start: ${Deno.readTextFileSync(`${directory}/error.log`)}`);
    await body();
  } finally {
    child.kill("SIGTERM");
    await child.status;
  }
}

async function connectable(options: Deno.ConnectOptions | Deno.UnixConnectOptions): Promise<void> {
  for (;;) {
    try {
      return (await Deno.connect(options as Deno.ConnectOptions)).close();
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotFound)) {
        throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

function answers(port: number): string {
  return `
    location = /auth {
      if ($http_auth_pass != "secret") { return 200; }
      add_header Auth-Status OK; add_header Auth-Server 127.0.0.1; add_header Auth-Port ${port};
      return 200 "a body that nobody reads";
    }
    location = /refuse {
      add_header Auth-Status "No such user here"; add_header Auth-Wait 0; add_header Auth-Error-Code "550 5.7.8";
      return 200;
    }
    location = /error {
      add_header Auth-Status OK always; add_header Auth-Server 127.0.0.1 always;
      add_header Auth-Port ${port} always;
      return 500;
    }`;
}

async function login(port: number, user: string, expected: RegExp | string): Promise<void> {
  await using client = await DialogueClient.connect({ port });
  await client.expect(/^220 /);
  await client.authPlain(user, "secret", expected);
  if (typeof expected === "string") await client.expectEnd();
  else await client.quit();
}

peerTest("nginx's http server decides about logins over a kept connection", ["nginx"], async () => {
  await using sink = new SmtpSink();
  await withTempDir(async (directory) => {
    const path = `${directory}/auth.sock`;
    const service = `server { listen unix:${path}; ${answers(sink.port)} }`;
    const servers: readonly Directives[] = ["/auth", "/refuse", "/error", "/missing"].map((uri) => ({
      listen: "127.0.0.1:0",
      auth_http: `unix:${path}:${uri}`,
      xclient: "off",
    }));
    await withNginx(directory, service, () => connectable({ transport: "unix", path }), async () => {
      // Each worker keeps connections of its own.
      const mail = { worker_processes: 1, server_name: "mail.test", servers };
      await withPostern({ mail }, directory, async (postern) => {
        for (let round = 1; round <= 5; round++) {
          await login(postern.port(0), `user${round}`, /^235 2\.0\.0 OK/);
        }
        await login(postern.port(1), "refused", "550 5.7.8 No such user here");
        // In nginx's own mail proxy a 500 with the right headers is a success, here it is a temporary failure.
        await login(postern.port(2), "error", "451 4.3.2 Internal server error");
        await login(postern.port(3), "missing", "451 4.3.2 Internal server error");
        for (const status of [500, 404]) {
          const line = await postern.event("auth_unavailable", ({ msg }) => msg.includes(String(status)));
          assert.equal(line["code"], "status");
        }
      });
    });
    const asked = (await Deno.readTextFile(`${directory}/access.log`)).trim().split("\n");
    const expected = [1, 2, 3, 4, 5].map((round) => `user${round} ${round} HTTP/1.1`);
    assert.deepEqual(asked.slice(0, 5), expected);
  });
});

peerTest("nginx's http server decides about logins over HTTPS that is verified", ["nginx"], async () => {
  await using sink = new SmtpSink();
  await withTempDir(async (directory) => {
    const files = await certificateFiles(directory);
    const path = `${directory}/auth.sock`;
    using reserved = await ReservedPort.take();
    const { port } = reserved;
    const service = `server { listen unix:${path}; listen 127.0.0.1:${port} ssl;
      ssl_certificate ${directory}/server.pem; ssl_certificate_key ${directory}/server.key;
      ${answers(sink.port)} }`;
    const verified: Directives = {
      listen: "127.0.0.1:0",
      xclient: "off",
      auth_http: `https://127.0.0.1:${port}/auth`,
      auth_http_ssl_trusted_certificate: files.root,
    };
    const servers: readonly Directives[] = [
      verified,
      { ...verified, auth_http_ssl_name: "mail.test" },
      { ...verified, auth_http_ssl_name: "elsewhere.test" },
    ];
    await withNginx(directory, service, () => connectable({ transport: "unix", path }), async () => {
      await withPostern({ mail: { server_name: "mail.test", servers } }, directory, async (postern) => {
        await login(postern.port(0), "alice", /^235 2\.0\.0 OK/);
        await login(postern.port(1), "alice", /^235 2\.0\.0 OK/);
        await login(postern.port(2), "alice", "451 4.3.2 Internal server error");
        assert.equal((await postern.event("auth_unavailable"))["code"], "tls");
      });
    });
  });
});
