import assert from "node:assert/strict";
import { testCertificates } from "./certificates.ts";
import { peerTest, runPeer } from "./peers.ts";
import { selfSigned } from "../../scripts/self_signed.ts";
import { withTempDir, writeFiles } from "./temp_dir.ts";

async function opensslVerdict(args: readonly string[]): Promise<string> {
  const { stdout, stderr } = await runPeer("openssl", ["verify", ...args]);
  return stdout + stderr;
}

peerTest(
  "openssl judges the test certificates as their names say",
  ["openssl"],
  () =>
    withTempDir(async (directory) => {
      const made = await testCertificates();
      const own = await selfSigned(["localhost", "127.0.0.1"]);
      const files = await writeFiles(directory, {
        root: made.root.certificate,
        list: made.revocationList,
        intermediate: made.intermediate.certificate,
        server: made.server.certificate,
        serverRsa: made.serverRsa.certificate,
        wildcard: made.wildcard.certificate,
        client: made.client.certificate,
        clientOfIntermediate: made.clientOfIntermediate.certificate,
        expiredClient: made.expiredClient.certificate,
        strangerClient: made.strangerClient.certificate,
        revokedClient: made.revokedClient.certificate,
        own: own.certificate,
      });
      const asServer = ["-purpose", "sslserver", "-CAfile", files.root];
      const asClient = ["-purpose", "sslclient", "-CAfile", files.root];
      const crl = ["-crl_check", "-CAfile", files.root, "-CRLfile", files.list];
      const cases: [readonly string[], RegExp][] = [
        [[...asServer, "-verify_hostname", "mail.test", files.server], /: OK/],
        [[...asServer, "-verify_ip", "::1", files.server], /: OK/],
        [[...asServer, "-verify_hostname", "localhost", files.serverRsa], /: OK/],
        [[...asServer, "-verify_hostname", "a.wild.test", files.wildcard], /: OK/],
        [[...asServer, "-verify_hostname", "wild.test", files.wildcard], /hostname mismatch/],
        [[...asServer, files.client], /unsuitable certificate purpose/],
        [[...asClient, files.client], /: OK/],
        [[...asClient, "-untrusted", files.intermediate, files.clientOfIntermediate], /: OK/],
        [[...asClient, files.clientOfIntermediate], /unable to get local issuer/],
        [[...asClient, files.expiredClient], /certificate has expired/],
        [[...asClient, files.strangerClient], /unable to get local issuer/],
        [[...crl, files.revokedClient], /certificate revoked/],
        [[...crl, files.client], /: OK/],
        [["-CAfile", files.own, "-verify_hostname", "localhost", files.own], /: OK/],
      ];
      for (const [args, verdict] of cases) assert.match(await opensslVerdict(args), verdict, args.join(" "));
    }),
);

Deno.test("Deno's own TLS trusts a self-signed certificate that it is given as authority", async () => {
  const own = await selfSigned(["localhost"]);
  using listener = Deno.listenTls({ hostname: "127.0.0.1", port: 0, cert: own.certificate, key: own.key });
  const accepted = listener.accept();
  using client = await Deno.connectTls({
    hostname: "localhost",
    port: listener.addr.port,
    caCerts: [own.certificate],
  });
  using server = await accepted;
  const shaken = server.handshake();
  await client.handshake();
  await shaken;
});
