import assert from "node:assert/strict";
import { Authority } from "../support/certificates.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { withPostern } from "../support/edge.ts";
import { withTempDir } from "../support/temp_dir.ts";

for (const workers of [1, 2]) {
  Deno.test(`new handshakes get a renewed certificate, running sessions go on: ${workers} worker(s)`, async () => {
    await withTempDir(async (directory) => {
      const authorities = [
        await Authority.create({ subject: "A" }),
        await Authority.create({ subject: "B" }),
      ];
      const untilDays = 20;
      for (const [at, authority] of authorities.entries()) {
        const issued = await authority.issue({ subject: "mail.test", names: ["mail.test"], untilDays });
        await Deno.writeTextFile(`${directory}/cert${at}.pem`, issued.certificate);
        await Deno.writeTextFile(`${directory}/key${at}.pem`, issued.key);
      }
      const link = async (generation: number) => {
        for (const name of ["cert", "key"]) {
          await Deno.symlink(`${directory}/${name}${generation}.pem`, `${directory}/new`);
          await Deno.rename(`${directory}/new`, `${directory}/${name}.pem`);
        }
      };
      await link(0);
      const mail = {
        server_name: "mail.test",
        auth_http: "127.0.0.1:1",
        worker_processes: workers,
        admin_listen: `unix:${directory}/admin.sock`,
        ssl_certificate: "cert.pem",
        ssl_certificate_key: "key.pem",
        ssl_certificate_watch: "50ms",
        servers: [{ listen: "127.0.0.1:0", ssl: "on" }, { listen: "127.0.0.1:0", starttls: "on" }],
      };
      await withPostern({ mail }, directory, async (postern) => {
        const connect = async (generation: number) => {
          const options = { authorities: authorities[generation]!.certificate, serverName: "mail.test" };
          const client = await DialogueClient.connectTls({ port: postern.port() }, options);
          await client.expect(/^220 /);
          return client;
        };
        await using before = await connect(0);
        await link(1);
        const renewed = () => postern.log.filter(({ event }) => event === "certificate_renewed").length;
        // Both servers have it in common: each worker reads it once.
        await postern.event("certificate_renewed", () => renewed() === workers);
        await using after = await connect(1);
        await after.quit();
        await before.command("EHLO c.test", /^250[ -]/);
        await before.quit();

        const client = Deno.createHttpClient({
          proxy: { transport: "unix", path: `${directory}/admin.sock` },
        });
        const text = await (await fetch("http://localhost/metrics", { client })).text();
        client.close();
        const [, value] =
          /^postern_certificate_expiry_timestamp_seconds\{file="\S+cert\.pem"\} (\S+)$/m.exec(text) ??
            assert.fail(text);
        assert.ok(Math.abs(Number(value) - Date.now() / 1000 - untilDays * 86_400) < 600, value);
      });
    });
  });
}
