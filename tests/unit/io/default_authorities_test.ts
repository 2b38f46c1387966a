/** TLS to servers with the authorities that the runtime trusts by default. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import {
  Authority,
  type CertificateAndKey,
  selfSigned,
  testCertificates,
} from "../../support/certificates.ts";
import { runToEnd } from "../../support/peers.ts";
import { importFlags } from "../../support/postern_process.ts";
import { withTempDir, writeFiles } from "../../support/temp_dir.ts";
import type { Outcome, Presentation, Report } from "./default_authorities.ts";

const CHILD = fileURLToPath(new URL("default_authorities.ts", import.meta.url));

/** Runs the handshakes in a process that trusts `authorities` by default. */
async function report(authorities: string, shown: readonly Presentation[]): Promise<Report> {
  return await withTempDir(async (directory) => {
    const { pem } = await writeFiles(directory, { pem: authorities });
    const flags = ["run", ...await importFlags(), "--no-prompt", "--allow-all", `--cert=${pem}`];
    const { code, stdout, stderr } = await runToEnd(Deno.execPath(), [...flags, CHILD], {
      input: JSON.stringify(shown),
    });
    assert.equal(code, 0, stderr);
    return JSON.parse(stdout) as Report;
  });
}

/** nameConstraints (RFC 5280 §4.2.1.10): only host names below good.test. */
const ONLY_GOOD_TEST = new x509.Extension(
  "2.5.29.30",
  true,
  Uint8Array.from([0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x82, 0x09, ...new TextEncoder().encode("good.test")]),
);
/** Critical, and known to nobody. */
const UNKNOWN = new x509.Extension("1.3.6.1.4.1.99999.1", true, Uint8Array.of(5, 0));

/** The last certificate with a NULL behind it, which nobody has signed. */
function withMoreBehind(chain: string): string {
  const at = chain.lastIndexOf("-----BEGIN");
  const der = new Uint8Array(new x509.X509Certificate(chain.slice(at)).rawData);
  const more = Uint8Array.from([...der, 5, 0]).toBase64();
  return `${chain.slice(0, at)}-----BEGIN CERTIFICATE-----\n${more}\n-----END CERTIFICATE-----\n`;
}

type Row = readonly [what: string, name: string, pair: CertificateAndKey];

/** What is to be accepted, then what is to be refused. */
async function rows(): Promise<{ accepted: Row[]; refused: Row[] }> {
  const made = await testCertificates();
  const { root, intermediate, stranger } = made;
  const below = async (options: Partial<Parameters<typeof Authority.create>[0]>) => {
    const authority = await Authority.create({ subject: "Below", ...options }, root);
    return await authority.issue({ subject: "mail.test", names: ["mail.test"] });
  };
  const issue = (options: Partial<Parameters<Authority["issue"]>[0]>) =>
    root.issue({ subject: "mail.test", names: ["mail.test"], ...options });
  /** A host name that a text of all names would show as two. */
  const hiding = (hidden: string) => {
    const value = `mail.test, ${hidden}`;
    const extensions = [new x509.SubjectAlternativeNameExtension([{ type: "dns", value }])];
    return root.issue({ subject: "mail.test", extensions });
  };
  const past = { fromDays: -30, untilDays: -1 };
  const ofNobody = await below({ isAuthority: false });
  const ofIntermediate = await intermediate.issue({ subject: "mail.test", names: ["mail.test"] });
  const [leafOnly] = ofIntermediate.certificate.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n?/)!;
  const deep = await Authority.create(
    { subject: "Deep" },
    await Authority.create({ subject: "No path", pathLength: 0 }, root),
  );
  return {
    accepted: [
      ["its name", "mail.test", made.server],
      ["its name in capitals", "MAIL.test", made.server],
      ["an RSA key", "mail.test", made.serverRsa],
      ["its IPv4 address", "127.0.0.1", made.server],
      ["its IPv6 address", "::1", made.server],
      ["its IPv6 address in another form", "0:0:0:0:0:0:0:1", made.server],
      ["a wildcard", "a.wild.test", made.wildcard],
      ["an intermediate authority that comes along", "mail.test", ofIntermediate],
      [
        "an authority that may name it",
        "mail.good.test",
        await (await Authority.create(
          { subject: "Bound", extensions: [ONLY_GOOD_TEST] },
          root,
        )).issue({ subject: "mail.good.test", names: ["mail.good.test"] }),
      ],
      ["no word on usages", "mail.test", await issue({ usages: [] })],
    ],
    refused: [
      ["another name", "nope.test", made.server],
      ["another address", "127.0.0.2", made.server],
      ["an address as a host name", "127.0.0.3", await issue({ subject: "127.0.0.3" })],
      ["a wildcard for two labels", "a.b.wild.test", made.wildcard],
      ["a wildcard for no label", "wild.test", made.wildcard],
      ["a wildcard in a label", "mail.wild.test", await issue({ names: ["m*.wild.test"] })],
      ["a wildcard that is not first", "a.wild.test", await issue({ names: ["a.*.test"] })],
      ["a wildcard for everything", "mail.test", await issue({ names: ["*"] })],
      ["a name in the subject alone", "mail.test", await root.issue({ subject: "mail.test" })],
      ["a name in the subject, others beside", "mail.test", await issue({ names: ["mx.test"] })],
      ["a name that hides another", "evil.test", await hiding("DNS:evil.test")],
      [
        "a name that hides an address",
        "127.0.0.9",
        await hiding("IP Address:127.0.0.9"),
      ],
      ["expired", "mail.test", made.expiredServer],
      ["not yet valid", "mail.test", await issue({ fromDays: 1, untilDays: 30 })],
      ["for clients only", "mail.test", await issue({ usages: ["clientAuth"] })],
      ["an authority's", "mail.test", await issue({ isAuthority: true })],
      ["self-signed", "mail.test", await selfSigned(["mail.test"])],
      [
        "of an authority nobody knows",
        "mail.test",
        await stranger.issue({
          subject: "mail.test",
          names: ["mail.test"],
        }),
      ],
      [
        "of an authority with the root's name",
        "mail.test",
        await (await Authority.create({
          subject: "Postern Test Root",
        })).issue({ subject: "mail.test", names: ["mail.test"] }),
      ],
      ["without its intermediate authority", "mail.test", { ...ofIntermediate, certificate: leafOnly }],
      ["of one that is no authority", "mail.test", ofNobody],
      ["of one that is no authority, with more behind it", "mail.test", {
        ...ofNobody,
        certificate: withMoreBehind(ofNobody.certificate),
      }],
      ["of an expired authority", "mail.test", await below(past)],
      ["of an authority with a critical extension", "mail.test", await below({ extensions: [UNKNOWN] })],
      ["of an authority that may not name it", "mail.test", await below({ extensions: [ONLY_GOOD_TEST] })],
      [
        "of an authority below one with no path",
        "mail.test",
        await deep.issue({
          subject: "mail.test",
          names: ["mail.test"],
        }),
      ],
    ],
  };
}

const isRefused = (outcome: Outcome) => "code" in outcome;

Deno.test("with the default authorities nothing is accepted that the runtime's own client refuses", async () => {
  const { root } = await testCertificates();
  const { accepted, refused } = await rows();
  const all = [...accepted, ...refused];
  const { verdicts, socketsLeft } = await report(
    root.certificate,
    all.map(([, serverName, pair]) => ({ serverName, ...pair })),
  );
  for (const [index, [what, name]] of all.entries()) {
    const { engine, streams, deno } = verdicts[index]!;
    const words = `${what}, ${name}: ${JSON.stringify({ engine, streams, deno })}`;
    assert.equal(isRefused(deno), index >= accepted.length, words);
    for (const outcome of [engine, streams]) {
      if (index >= accepted.length) {
        assert.equal("code" in outcome && outcome.code, "certificate", words);
      } else {
        assert.ok("facts" in outcome, words);
        assert.deepEqual(outcome.facts?.verdict, { kind: "success" });
        assert.match(outcome.facts?.protocol ?? "", /^TLSv1\.3$/);
        assert.match(outcome.facts?.cipher ?? "", /^TLS_/);
      }
    }
  }
  assert.equal(socketsLeft, 0);
});
