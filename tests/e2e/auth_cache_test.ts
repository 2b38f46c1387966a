import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { ScriptedUpstream } from "../support/scripted_upstream.ts";

Deno.test("a service with auth_http_cache is asked once for a login, and again when the mail server refuses it", async () => {
  let turn = 0;
  await using upstream = new ScriptedUpstream(async (peer) => {
    await peer.reply("220 mx.test");
    await peer.answer("EHLO mail.test", "250-mx.test", "250 AUTH PLAIN");
    const right = btoa("\0alice\0from the service");
    await peer.answer(`AUTH PLAIN ${right}`, ++turn === 3 ? "535 5.7.8 no longer" : "235 ok");
    await peer.readToEnd();
  });
  await withEdge({
    callout: (request) =>
      request.header("Auth-Pass") === "right"
        ? accepted(upstream.port, "Auth-Pass: from the service")
        : refused("wrong"),
    mail: () => ({
      auth_http_cache: "max=10 accepted=1h refused=1m",
      proxy_smtp_auth: "on",
      worker_processes: 1,
      xclient: "off",
    }),
  }, async ({ connect, callout, postern }) => {
    const login = async (secret: string, expected: RegExp | string) => {
      await using client = await connect();
      await client.authPlain("alice", secret, expected);
    };
    await login("right", /^235/);
    await login("right", /^235/);
    assert.equal(callout.requests.length, 1);
    await login("right", /^451/);
    await login("right", /^235/);
    assert.equal(callout.requests.length, 2);
    await login("wrong", "535 5.7.0 wrong");
    await login("wrong", "535 5.7.0 wrong");
    assert.equal(callout.requests.length, 3);
    assert.doesNotMatch(JSON.stringify(postern.log), /from the service|right/);
  });
});
