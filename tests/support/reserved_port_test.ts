import assert from "node:assert/strict";
import { ReservedPort } from "./reserved_port.ts";

Deno.test("a reserved port refuses connections, and is there for who names it", async () => {
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const connect = () => Deno.connect({ hostname: "127.0.0.1", port });
  await assert.rejects(connect(), Deno.errors.ConnectionRefused);
  for (let round = 0; round < 2; round++) {
    const listener = Deno.listen({ hostname: "127.0.0.1", port });
    const [client, server] = await Promise.all([connect(), listener.accept()]);
    client.close();
    server.close();
    listener.close();
    await reserved.refused();
  }
  await assert.rejects(connect(), Deno.errors.ConnectionRefused);
});
