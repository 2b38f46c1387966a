import assert from "node:assert/strict";
import { refused } from "./refused.ts";
import { ReservedPort } from "./reserved_port.ts";

Deno.test("refused() settles when the last descriptor that listens is closed, and not before", async () => {
  using reserved = await ReservedPort.take();
  const { port } = reserved;
  const first = Deno.listen({ hostname: "127.0.0.1", port, reusePort: true });
  const second = Deno.listen({ hostname: "127.0.0.1", port, reusePort: true });
  first.close();
  let settled = false;
  const waiting = refused({ hostname: "127.0.0.1", port }).then(() => settled = true);
  // Its connections come here, while it looks again.
  for (let taken = 0; taken < 3; taken++) (await second.accept()).close();
  assert.equal(settled, false);
  second.close();
  await waiting;
});
