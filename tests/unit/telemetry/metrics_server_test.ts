import assert from "node:assert/strict";
import { type MetricsSource, serveMetrics } from "../../../src/telemetry/metrics_server.ts";

function source(healthy = true): MetricsSource {
  return { expose: () => Promise.resolve("postern_up 1\n"), healthy: () => healthy };
}

async function ask(base: string, path: string, init?: RequestInit): Promise<[number, string, Headers]> {
  const response = await fetch(base + path, init);
  return [response.status, await response.text(), response.headers];
}

Deno.test("serveMetrics() answers what it knows and refuses the rest", async () => {
  const server = await serveMetrics({ kind: "tcp", host: "127.0.0.1", port: 0 }, source());
  try {
    assert.ok(server.address.kind === "tcp" && server.address.port > 0);
    const base = `http://127.0.0.1:${server.address.port}`;
    const [status, body, headers] = await ask(base, "/metrics");
    assert.deepEqual([status, body], [200, "postern_up 1\n"]);
    assert.equal(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    assert.deepEqual((await ask(base, "/metrics?x=1")).slice(0, 2), [200, "postern_up 1\n"]);
    assert.deepEqual((await ask(base, "/metrics", { method: "HEAD" })).slice(0, 2), [200, ""]);
    assert.deepEqual((await ask(base, "/healthz")).slice(0, 2), [200, "ok\n"]);
    assert.equal((await ask(base, "/"))[0], 404);
    const [refused, , refusal] = await ask(base, "/metrics", { method: "POST", body: "x" });
    assert.equal(refused, 405);
    assert.equal(refusal.get("allow"), "GET, HEAD");
  } finally {
    await server.close();
    await server.close();
  }
});

Deno.test("serveMetrics() says 503 while the process drains", async () => {
  const server = await serveMetrics({ kind: "tcp", host: "127.0.0.1", port: 0 }, source(false));
  try {
    assert.ok(server.address.kind === "tcp");
    const [status, body] = await ask(`http://127.0.0.1:${server.address.port}`, "/healthz");
    assert.deepEqual([status, body], [503, "draining\n"]);
  } finally {
    await server.close();
  }
});

Deno.test("serveMetrics() close() does not wait for a client that keeps its connection", async () => {
  const server = await serveMetrics({ kind: "tcp", host: "127.0.0.1", port: 0 }, source());
  assert.ok(server.address.kind === "tcp");
  const client = await Deno.connect({ hostname: "127.0.0.1", port: server.address.port });
  await client.write(new TextEncoder().encode("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /hea"));
  const buffer = new Uint8Array(4096);
  assert.ok(await client.read(buffer));
  await server.close();
  client.close();
});

Deno.test("serveMetrics() takes over a stale Unix socket and removes its own", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/metrics.sock`;
  try {
    // A listener that ends without unlinking leaves such a file behind.
    const other = Deno.listen({ transport: "unix", path: `${directory}/other.sock` });
    await Deno.link(`${directory}/other.sock`, path);
    other.close();
    const server = await serveMetrics({ kind: "unix", path }, source());
    const client = await Deno.connect({ transport: "unix", path });
    await client.write(new TextEncoder().encode("GET /metrics HTTP/1.0\r\n\r\n"));
    assert.match(await new Response(client.readable).text(), /^HTTP\/1\.[01] 200 .*\r\n\r\npostern_up 1\n$/s);
    await server.close();
    await assert.rejects(Deno.stat(path), Deno.errors.NotFound);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("serveMetrics() does not take a Unix socket from a server that answers on it", async () => {
  const directory = await Deno.makeTempDir();
  const path = `${directory}/metrics.sock`;
  const first = await serveMetrics({ kind: "unix", path }, source());
  try {
    await assert.rejects(serveMetrics({ kind: "unix", path }, source()), Deno.errors.AddrInUse);
  } finally {
    await first.close();
    await Deno.remove(directory, { recursive: true });
  }
});
