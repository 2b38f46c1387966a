import assert from "node:assert/strict";
import { readChosenConfig } from "../../../src/app/config_option.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";

const NGINX = `pid run/p.pid;
error_log logs/error.log info;
daemon off;
mail {
  auth_http 127.0.0.1:9000/;
  proxy on;
  include servers/*.conf;
}
`;

async function withNginx(
  server: string,
  body: (directory: string, file: string) => void,
): Promise<void> {
  await withTempDir(async (directory) => {
    await Deno.mkdir(`${directory}/servers`);
    const paths = await writeFiles(directory, { "nginx.conf": NGINX, "servers/a.conf": server });
    body(directory, paths["nginx.conf"]);
  });
}

Deno.test("readChosenConfig() takes an nginx configuration as it stands", async () => {
  await withNginx("server { listen 127.0.0.1:2525; protocol smtp; timeout 7s; }", (directory, file) => {
    const chosen = readChosenConfig("run", { "nginx-conf": file, prefix: "/srv/nginx" });
    assert.ok(chosen.ok, JSON.stringify(chosen));
    assert.equal(
      chosen.leftOut,
      `${directory}/nginx.conf:6: proxy: it has no effect in nginx either, leave it out\n`,
    );
    assert.deepEqual(chosen.nginx, {
      pid: "/srv/nginx/run/p.pid",
      daemon: false,
      worker_processes: null,
      user: [],
    });
    const [server] = chosen.config.servers;
    assert.deepEqual([server?.timeout, server?.compat, server?.error_log], [
      7000,
      "nginx",
      [{ to: { kind: "file", path: "/srv/nginx/logs/error.log" }, level: "info" }],
    ]);
  });
});

Deno.test("readChosenConfig() says what is broken in nginx's words", async () => {
  await withNginx("server { listen 25 }", (directory, file) => {
    const chosen = readChosenConfig("run", { "nginx-conf": file });
    assert.deepEqual(chosen, {
      ok: false,
      text: `postern run: unexpected "}" in ${directory}/servers/a.conf:1\n`,
    });
  });
});

Deno.test("readChosenConfig() says what Postern cannot use, by the directive and not by lines of the conversion", async () => {
  await withNginx("server { listen 25; starttls on; }", (_, file) => {
    const chosen = readChosenConfig("run", { "nginx-conf": file });
    assert.ok(!chosen.ok);
    assert.match(
      chosen.text,
      /nginx\.conf:6: proxy: .*\n.*\/nginx\.conf: mail\.servers\[0\][^:]*: .*ssl_certificate/,
    );
  });
});

for (
  const options of [{}, { config: "a", "nginx-conf": "b" }, { config: "a", prefix: "/" }, { prefix: "/" }]
) {
  Deno.test(`readChosenConfig() is used wrongly with ${JSON.stringify(options)}`, () => {
    assert.throws(() => readChosenConfig("run", options), { name: "UsageError", message: /^postern run: / });
  });
}
