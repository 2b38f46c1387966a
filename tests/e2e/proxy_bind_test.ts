import assert from "node:assert/strict";
import { testCertificates } from "../support/certificates.ts";
import { withEdge } from "../support/edge.ts";
import { accepted } from "../support/scripted_callout.ts";
import { ConnStream } from "../support/peer_stream.ts";
import { ScriptedUpstream } from "../support/scripted_upstream.ts";

for (const proxy_ssl of ["off", "starttls"] as const) {
  Deno.test(`mail servers see the addresses of proxy_bind in turns, with proxy_ssl ${proxy_ssl}`, async () => {
    const made = await testCertificates();
    const seen: string[] = [];
    await using upstream = new ScriptedUpstream(async (peer) => {
      if (peer.stream instanceof ConnStream) {
        seen.push((peer.stream.conn.remoteAddr as Deno.NetAddr).hostname);
      }
      await peer.reply("220 mx.test");
      await peer.answer("EHLO mail.test", "250-mx.test", "250 STARTTLS");
      if (proxy_ssl === "starttls") {
        await peer.answer("STARTTLS", "220 go");
        await peer.acceptTls(made.server);
        await peer.answer("EHLO mail.test", "250 mx.test");
      }
      const text = await peer.readLine();
      await peer.reply(`250 ${text.length}`);
      await peer.answer("QUIT", "221 bye");
    });
    await withEdge({
      callout: () => accepted(upstream.port),
      mail: (files) => ({
        proxy_bind: "127.0.0.2 127.0.0.3",
        proxy_ssl,
        proxy_ssl_trusted_certificate: files.root,
        proxy_ssl_name: "mail.test",
        worker_processes: 1,
        xclient: "off",
      }),
    }, async ({ connect }) => {
      for (let turn = 0; turn < 3; turn++) {
        await using client = await connect();
        await client.authPlain("alice", "secret");
        await client.command("NOOP", "250 4");
        await client.command("QUIT", "221 bye");
        await client.expectEnd();
      }
    });
    assert.deepEqual(seen, ["127.0.0.2", "127.0.0.3", "127.0.0.2"]);
  });
}

Deno.test("a session that cannot come from an address of proxy_bind fails for now, and the log says why", async () => {
  await withEdge({
    callout: () => accepted(25),
    mail: () => ({ proxy_bind: "192.0.2.1" }),
  }, async ({ connect, postern }) => {
    await using client = await connect();
    await client.authPlain("alice", "secret", "451 4.3.2 Internal server error");
    await client.expectEnd();
    assert.match(
      (await postern.event("upstream_failed")).msg,
      /connect to 127\.0\.0\.1:25 from 192\.0\.2\.1: bind/,
    );
  });
});
