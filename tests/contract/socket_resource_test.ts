import assert from "node:assert/strict";
import {
  closeSocket,
  readSocket,
  shutdownSocket,
  socketOf,
  writeSocket,
} from "../../src/io/socket_resource.ts";
import { withTempDir } from "../support/temp_dir.ts";

/** Both ends of a connection: of ours what it is used by. */
async function pair(listener: Deno.Listener, connect: () => Promise<Deno.Conn>) {
  const [far, near] = await Promise.all([connect(), listener.accept()]);
  return { far, near, socket: socketOf(near) };
}

Deno.test("the runtime's sockets are used by their numbers, and as ever without", async () => {
  await withTempDir(async (directory) => {
    using tcp = Deno.listen({ hostname: "127.0.0.1", port: 0 });
    using unix = Deno.listen({ transport: "unix", path: `${directory}/s` });
    const ways = [
      () => pair(tcp, () => Deno.connect({ hostname: "127.0.0.1", port: tcp.addr.port })),
      () => pair(unix, () => Deno.connect({ transport: "unix", path: `${directory}/s` })),
    ];
    for (const connect of ways) {
      for (const by of ["number", "object"] as const) {
        const { far, near, socket } = await connect();
        assert.equal(typeof socket, "number");
        const ours = by === "number" ? socket : near;
        assert.equal(await writeSocket(ours, Uint8Array.of(1, 2, 3)), 3);
        const into = new Uint8Array(4);
        assert.equal(await far.read(into), 3);
        assert.deepEqual(into, Uint8Array.of(1, 2, 3, 0));
        await far.write(Uint8Array.of(4, 5));
        assert.equal(await readSocket(ours, into), 2);
        assert.deepEqual(into, Uint8Array.of(4, 5, 3, 0));
        await far.closeWrite();
        assert.equal(await readSocket(ours, new Uint8Array(1)), by === "number" ? 0 : null);
        await shutdownSocket(ours);
        assert.equal(await far.read(into), null);
        far.close();
        closeSocket(ours);

        const other = await connect();
        const theOther = by === "number" ? other.socket : other.near;
        const reading = assert.rejects(readSocket(theOther, new Uint8Array(1)), Deno.errors.Interrupted);
        closeSocket(theOther);
        await reading;
        other.far.close();
        for (const closed of [ours, theOther]) {
          await assert.rejects(readSocket(closed, new Uint8Array(1)), Deno.errors.BadResource);
          await assert.rejects(writeSocket(closed, new Uint8Array(1)), Deno.errors.BadResource);
          assert.throws(() => closeSocket(closed), Deno.errors.BadResource);
        }
      }
    }
  });
});
