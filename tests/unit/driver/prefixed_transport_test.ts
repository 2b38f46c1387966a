import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { PrefixedTransport } from "../../../src/driver/prefixed_transport.ts";
import { type Reader, readFor, type Transport, writeFor } from "../../../src/ports/transport.ts";
import { connection, Disguised, tlsFacts } from "./peer.ts";

const READER: Reader = {
  heard: (count) => count,
  lost(error) {
    throw error;
  },
};
const READS = {
  "read()": (transport: Transport, into: Uint8Array) => transport.read(into),
  "readFor()": (transport: Transport, into: Uint8Array) => readFor(transport, into, READER),
};

for (const [name, read] of Object.entries(READS)) {
  for (const size of [1, 3, 100]) {
    Deno.test(`PrefixedTransport gives what was read before, then what comes: ${name}, ${size} at a time`, async () => {
      const { near, peer } = connection();
      const transport = new PrefixedTransport(encodeLatin1("EHLO a"), near);
      await peer.send(" b\r\n");
      await peer.transport.closeWrite();
      const into = new Uint8Array(size);
      let heard = "";
      for (let count = await read(transport, into); count !== null; count = await read(transport, into)) {
        assert.notEqual(count, 0);
        heard += decodeLatin1(into, 0, count);
      }
      assert.equal(heard, "EHLO a b\r\n");
    });
  }
}

Deno.test("PrefixedTransport is the transport below in everything else", async () => {
  const { near, peer } = connection();
  const facts = tlsFacts();
  const transport = new PrefixedTransport(encodeLatin1("x"), new Disguised(near, { tls: facts }));
  assert.deepEqual([transport.local, transport.remote, transport.tls], [near.local, near.remote, facts]);
  await transport.write(encodeLatin1("220 "));
  let told = 0;
  const written = () => void told++;
  await writeFor(transport, encodeLatin1("hi\r\n"), { written, notWritten: () => assert.fail() });
  assert.equal(told, 1);
  await transport.closeWrite();
  assert.equal(await peer.rest(), "220 hi\r\n");
  transport.close();
  assert.equal(near.closed, true);
});
