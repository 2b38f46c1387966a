import assert from "node:assert/strict";
import { withEdge } from "../support/edge.ts";
import { type PeerOutput, peerTest, runPeer } from "../support/peers.ts";
import { accepted } from "../support/scripted_callout.ts";

const PEERS = ["openssl"] as const;

/** Connects, upgrades, says QUIT, and answers what openssl tells. */
function sClient(port: number, ...args: readonly string[]): Promise<PeerOutput> {
  return runPeer(
    "openssl",
    ["s_client", "-connect", `127.0.0.1:${port}`, "-crlf", "-ign_eof", ...args],
    "QUIT\n",
  );
}

const STARTTLS = ["-starttls", "smtp", "-name", "client.example"];

peerTest(
  "openssl gets the certificate that fits the name it asks for, by STARTTLS and at once",
  PEERS,
  async () => {
    await withEdge({
      callout: () => accepted(1),
      servers: (files) =>
        [{ starttls: "on" }, { ssl: "on" }].map((mode) => ({
          ...files.server("server", "otherServer", "wildcard"),
          ...mode,
        })),
    }, async ({ postern, files }) => {
      const cases: readonly (readonly [string | null, string])[] = [
        ["mail.test", "mail.test"],
        ["other.test", "other.test"],
        ["OTHER.test", "other.test"],
        ["a.wild.test", "*.wild.test"],
        ["a.b.wild.test", "mail.test"],
        ["unknown.test", "mail.test"],
        [null, "mail.test"],
      ];
      for (const [index, mode] of [STARTTLS, []].entries()) {
        for (const [name, common] of cases) {
          const sni = name === null ? ["-noservername"] : ["-servername", name];
          const output = await sClient(postern.port(index), ...mode, ...sni, "-CAfile", files.root);
          assert.match(output.stdout, /Verify return code: 0 \(ok\)/, `${name}`);
          assert.ok(
            output.stdout.includes(`subject=CN = ${common}\n`),
            `${name}: ${output.stdout.slice(0, 2000)}`,
          );
          assert.match(output.stdout, /221 2\.0\.0 Bye/);
        }
      }
    });
  },
);

peerTest("openssl may speak TLS 1.2 and 1.3, and only what ssl_protocols allows", PEERS, async () => {
  await withEdge({
    callout: () => accepted(1),
    servers: (files) =>
      [{}, { ssl_protocols: ["TLSv1.2"] }, { ssl_protocols: ["TLSv1.3"] }].map((protocols) => ({
        ...files.server("serverRsa"),
        starttls: "only",
        ...protocols,
      })),
  }, async ({ postern }) => {
    const cases: readonly (readonly [number, string, RegExp | null])[] = [
      [0, "-tls1_2", /Protocol *: TLSv1\.2/],
      [0, "-tls1_3", /New, TLSv1\.3/],
      [0, "-tls1_1", null],
      [1, "-tls1_2", /Protocol *: TLSv1\.2/],
      [1, "-tls1_3", null],
      [2, "-tls1_2", null],
      [2, "-tls1_3", /New, TLSv1\.3/],
    ];
    for (const [index, version, expected] of cases) {
      const output = await sClient(
        postern.port(index),
        ...STARTTLS,
        version,
        "-cipher",
        "DEFAULT@SECLEVEL=0",
      );
      if (expected === null) {
        assert.notEqual(output.code, 0, `${index} ${version}`);
        assert.match(output.stderr, /alert|error/i);
      } else {
        assert.match(output.stdout, expected, `${index} ${version}`);
      }
    }
  });
});

peerTest("openssl that offers ALPN must offer smtp", PEERS, async () => {
  await withEdge({
    callout: () => accepted(1),
    servers: (files) => [{ ...files.server(), ssl: "on" }],
  }, async ({ postern }) => {
    const good = await sClient(postern.port(), "-alpn", "imap,smtp");
    assert.match(good.stdout, /ALPN protocol: smtp/);
    assert.match(good.stdout, /221 2\.0\.0 Bye/);
    const bad = await sClient(postern.port(), "-alpn", "imap");
    assert.match(bad.stderr, /no application protocol/);
    assert.doesNotMatch(bad.stdout, /^220 /m);
  });
});

peerTest("openssl with each kind of client certificate gets nginx's verdict", PEERS, async () => {
  const modes = ["on", "optional", "optional_no_ca"];
  await withEdge({
    callout: () => accepted(1),
    servers: (files) =>
      modes.flatMap((mode) =>
        [{}, { ssl_crl: files.revocationList }].map((list) => ({
          ...files.server(),
          ssl: "on",
          ssl_verify_client: mode,
          ssl_client_certificate: files.root,
          ...list,
        }))
      ),
  }, async ({ postern, files }) => {
    const good = /^220 mail\.test ESMTP ready\r?$/m;
    const none = /^421 4\.7\.1 No required SSL certificate\r?$/m;
    const bad = /^421 4\.7\.1 SSL certificate error\r?$/m;
    // Replies for: on, on with ssl_crl, optional, optional with ssl_crl, optional_no_ca, the same with ssl_crl.
    const cases = {
      "": [none, none, good, good, good, good],
      client: [good, good, good, good, good, good],
      expiredClient: [bad, bad, bad, bad, bad, bad],
      strangerClient: [bad, bad, bad, bad, good, good],
      revokedClient: [good, bad, good, bad, good, bad],
    } as const;
    for (const [name, replies] of Object.entries(cases) as [keyof typeof cases, readonly RegExp[]][]) {
      const args = name === ""
        ? []
        : ["-cert", files.client(name).certificate, "-key", files.client(name).key];
      for (const [index, reply] of replies.entries()) {
        const output = await sClient(postern.port(index), "-quiet", ...args);
        assert.match(
          output.stdout,
          reply,
          `${name} at ${modes[index >> 1]}${index & 1 ? " with ssl_crl" : ""}`,
        );
      }
    }
  });
});

peerTest("openssl resumes its TLS session, or makes a new one where it cannot", PEERS, async () => {
  await withEdge({
    callout: () => accepted(1),
    servers: (files) => [{ ...files.server(), ssl: "on" }],
  }, async ({ postern, files }) => {
    const session = `${files.directory}/session.pem`;
    const first = await sClient(postern.port(), "-sess_out", session);
    assert.match(first.stdout, /221 2\.0\.0 Bye/);
    const second = await sClient(postern.port(), "-sess_in", session);
    assert.match(second.stdout, /221 2\.0\.0 Bye/);
  });
});
