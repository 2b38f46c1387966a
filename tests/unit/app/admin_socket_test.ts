import assert from "node:assert/strict";
import { serveHttp } from "../../../src/app/admin_socket.ts";
import { leaveStaleSocket } from "../../support/stale_socket.ts";
import { withTempDir } from "../../support/temp_dir.ts";

const handler = () => Promise.resolve(new Response("answer\n"));

Deno.test("serveHttp() close() does not wait for a client that keeps its connection", async () => {
  const server = await serveHttp({ kind: "tcp", host: "127.0.0.1", port: 0 }, handler);
  assert.ok(server.address.kind === "tcp" && server.address.port > 0);
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
  await client.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"));
  assert.ok(await client.read(new Uint8Array(4096)));
  await server.close();
  await server.close();
  client.close();
});

Deno.test("serveHttp() takes over a stale Unix socket, for its owner alone, and removes its own", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/admin.sock`;
    await leaveStaleSocket(path);
    const server = await serveHttp({ kind: "unix", path }, handler);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o600);
    const client = await Deno.connect({ transport: "unix", path });
    await client.write(new TextEncoder().encode("GET / HTTP/1.0\r\n\r\n"));
    assert.match(await new Response(client.readable).text(), /^HTTP\/1\.[01] 200 .*\r\n\r\nanswer\n$/s);
    await server.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  });
});

Deno.test("serveHttp() does not take a Unix socket from a server that answers on it", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/admin.sock`;
    const first = await serveHttp({ kind: "unix", path }, handler);
    try {
      await assert.rejects(serveHttp({ kind: "unix", path }, handler), Deno.errors.AddrInUse);
    } finally {
      await first.close();
    }
  });
});
