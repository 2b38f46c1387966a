import assert from "node:assert/strict";
import { DEAD_HANDLES, DeadHandles } from "../../../src/io/dead_handles.ts";
import { createDialer } from "../../../src/io/dialer.ts";
import { until } from "../../support/patience.ts";
import { connectedPair, octets } from "./pair.ts";
import { tlsPair, tlsTest, upstreamOptions } from "./tls_pair.ts";

Deno.test("DeadHandles has all objects collected once in a thousand handles", () => {
  let collections = 0;
  const handles = new DeadHandles(() => collections++);
  for (let handle = 1; handle <= 3_500; handle++) {
    handles.count();
    assert.equal(collections, Math.floor(handle / 1_000));
    assert.equal(handles.dead, handle % 1_000);
  }
});

tlsTest("each TLS handle is counted when it has died, once", async (way) => {
  const { client, server } = await tlsPair(way);
  const before = DEAD_HANDLES.dead;
  for (const end of [client, server, client, server]) end.close();
  await until(() => DEAD_HANDLES.dead >= before + 2, () => "the handles are not counted");
  await new Promise((resolve) => setTimeout(resolve, 0));
  assert.equal(DEAD_HANDLES.dead, before + 2);
});

tlsTest("a TLS handle is counted whose handshake has failed", async (way) => {
  const { client, server } = await connectedPair();
  const before = DEAD_HANDLES.dead;
  const failing = assert.rejects(createDialer(way).startTls(client, await upstreamOptions()), {
    code: "tls",
  });
  await server.write(octets("220 this is no TLS\r\n"));
  await failing;
  await until(() => DEAD_HANDLES.dead === before + 1, () => "the handle is not counted");
  server.close();
});
