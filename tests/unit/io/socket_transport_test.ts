import assert from "node:assert/strict";
import { createDialer } from "../../../src/io/dialer.ts";
import { openListener } from "../../../src/io/listener.ts";
import { ConnectionError, type Transport, writeFor } from "../../../src/ports/transport.ts";
import { ReservedPort } from "../../support/reserved_port.ts";
import { connectedPair, echo, octets, onTcp, patternOctets, readToEnd, text } from "./pair.ts";

const codeOf = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code;

Deno.test("a transport carries octets both ways and knows its addresses", async () => {
  const { client, server } = await connectedPair();
  await client.write(octets("ping"));
  const buffer = new Uint8Array(100);
  assert.equal(text(buffer.subarray(0, await server.read(buffer) ?? 0)), "ping");
  assert.deepEqual(client.remote, server.local);
  assert.deepEqual(client.local, server.remote);
  assert.equal(server.tls, null);
  client.close();
  server.close();
});

Deno.test("10 MB come back unchanged while the peer reads slowly", async () => {
  const { client, server } = await connectedPair();
  const sent = patternOctets(10_000_000);
  const echoed = echo(server);
  const written = client.write(sent).then(() => client.closeWrite());
  assert.deepEqual(await readToEnd(client), sent);
  await Promise.all([echoed, written]);
  client.close();
  server.close();
});

Deno.test("a writer may write on as it is told, more than the kernel takes at once", async () => {
  const { client, server } = await connectedPair();
  const more = patternOctets(10_000_000);
  const writing = writeFor(client, octets("first "), {
    written: () => client.write(more).then(() => client.closeWrite()),
    notWritten: (error) => assert.fail(error),
  });
  const heard = await readToEnd(server);
  assert.equal(text(heard.subarray(0, 6)), "first ");
  assert.deepEqual(heard.subarray(6), more);
  await writing;
  client.close();
  server.close();
});

Deno.test("connections that come to one address of a listener have it in common, and no other", async () => {
  const listener = await openListener(onTcp("0.0.0.0"), { reusePort: false });
  const { address } = listener;
  assert.ok(address.kind === "tcp");
  const ends: Transport[] = [];
  const cameTo = async (host: string) => {
    const client = await createDialer().connect({ ...address, host }, new AbortController().signal);
    const server = await listener.accept();
    ends.push(client, server!);
    return server!.local;
  };
  const one = await cameTo("127.0.0.1");
  assert.equal(await cameTo("127.0.0.1"), one);
  assert.deepEqual(await cameTo("127.0.0.2"), { ...address, host: "127.0.0.2" });
  listener.close();
  for (const end of ends) end.close();
});

Deno.test("closeWrite() ends one direction and leaves the other", async () => {
  const { client, server } = await connectedPair();
  await client.closeWrite();
  await client.closeWrite();
  assert.equal(await server.read(new Uint8Array(1)), null);
  await server.write(octets("late"));
  server.close();
  assert.equal(text(await readToEnd(client)), "late");
  client.close();
});

Deno.test("close() ends a pending read and everything after it with code closed", async () => {
  const { client, server } = await connectedPair();
  const pending = assert.rejects(client.read(new Uint8Array(1)), codeOf("closed"));
  client.close();
  client.close();
  await pending;
  await assert.rejects(client.read(new Uint8Array(1)), codeOf("closed"));
  await assert.rejects(client.write(octets("x")), codeOf("closed"));
  await client.closeWrite();
  server.close();
});

Deno.test("a peer that is gone is a reset", async () => {
  const { client, server } = await connectedPair();
  await client.write(octets("unread"));
  await new Promise((resolve) => setTimeout(resolve, 0));
  server.close(); // with unread octets: the kernel sends RST
  await assert.rejects(async () => {
    for (;;) await client.write(patternOctets(65536));
  }, codeOf("reset"));
  await client.closeWrite();
  client.close();
});

Deno.test("connect() says why it failed", async () => {
  const dialer = createDialer();
  using nobody = await ReservedPort.take();
  const { port } = nobody;
  const signal = new AbortController().signal;
  const tcp = { kind: "tcp", host: "127.0.0.1", port } as const;
  await assert.rejects(dialer.connect(tcp, signal), codeOf("refused"));
  await assert.rejects(
    dialer.connect({ kind: "unix", path: "/nonexistent/socket" }, signal),
    codeOf("refused"),
  );
  await assert.rejects(dialer.connect(tcp, AbortSignal.abort()), codeOf("closed"));
});

Deno.test("connect() resolves names", async () => {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const target = { kind: "tcp", host: "localhost", port } as const;
  const client = await createDialer().connect(target, new AbortController().signal);
  const server = await listener.accept();
  client.close();
  server.close();
  listener.close();
});
