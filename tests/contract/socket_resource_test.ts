import assert from "node:assert/strict";
import { readSocket, resourceOf, writeSocket } from "../../src/io/socket_resource.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Both ends of a connection, by the runtime's own way and by our number for it. */
async function pair(listener: Deno.Listener, connect: () => Promise<Deno.Conn>) {
  const [far, near] = await Promise.all([connect(), listener.accept()]);
  return { far, near, resource: resourceOf(near) };
}

Deno.test("the runtime reads and writes sockets by their numbers, and as ever without", async () => {
  await withTempDir(async (directory) => {
    using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using unix = Deno.listen({ transport: "unix", path: `${directory}/s` });
    const pairs = [
      await pair(tcp, () => Deno.connect({ hostname: "127.0.0.1", port: tcp.addr.port })),
      await pair(unix, () => Deno.connect({ transport: "unix", path: `${directory}/s` })),
    ];
    for (const { far, near, resource } of pairs) {
      assert.equal(typeof resource, "number");
      for (const number of [resource, null]) {
        assert.equal(await writeSocket(near, number, Uint8Array.of(1, 2, 3)), 3);
        const into = new Uint8Array(4);
        assert.equal(await far.read(into), 3);
        assert.deepEqual(into, Uint8Array.of(1, 2, 3, 0));
        await far.write(Uint8Array.of(4, 5));
        assert.equal(await readSocket(near, number, into), 2);
        assert.deepEqual(into, Uint8Array.of(4, 5, 3, 0));
      }
      await far.closeWrite();
      assert.equal(await readSocket(near, resource, new Uint8Array(1)), 0);
      assert.equal(await readSocket(near, null, new Uint8Array(1)), null);
      far.close();
      const other = await pair(tcp, () => Deno.connect({ hostname: "127.0.0.1", port: tcp.addr.port }));
      const reading = assert.rejects(
        readSocket(other.near, other.resource, new Uint8Array(1)),
        Deno.errors.Interrupted,
      );
      other.near.close();
      near.close();
      await reading;
      for (const number of [resource, other.resource]) {
        await assert.rejects(readSocket(near, number, new Uint8Array(1)), Deno.errors.BadResource);
        await assert.rejects(writeSocket(near, number, new Uint8Array(1)), Deno.errors.BadResource);
      }
      other.far.close();
    }
  });
});
