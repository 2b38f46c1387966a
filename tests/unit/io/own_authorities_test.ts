/** Impostors of servers whose authorities are our own: the runtime takes them for good where it cannot read them. */
import assert from "node:assert/strict";
import "reflect-metadata"; // @peculiar/x509 does not load without it
import * as x509 from "@peculiar/x509";
import { createDialer } from "../../../src/io/dialer.ts";
import { OwnAuthorities } from "../../../src/io/own_authorities.ts";
import { isStrictlyWritten } from "../../../src/io/strict_der.ts";
import { Authority, selfSigned, testCertificates } from "../../support/certificates.ts";
import { ders, forgedChains, ofVersion1, replaced, withTlsServer } from "../../support/forged_chains.ts";
import { tlsTest, upstreamOptions } from "./tls_pair.ts";

const ROOT = "Postern Test Root";
const NAMED = { subject: "mail.test", names: ["mail.test"] };

tlsTest(
  "a chain that goes by the authority's name is refused, with whatever the runtime cannot read",
  async (way) => {
    const { root } = await testCertificates();
    for (const { what, ...forged } of await forgedChains("mail.test")) {
      await withTlsServer(forged, async ({ port }) => {
        const dialer = createDialer(way);
        const plain = await dialer.connect(
          { kind: "tcp", host: "127.0.0.1", port },
          new AbortController().signal,
        );
        const options = await upstreamOptions({ trustedCertificates: root.certificate });
        const outcome = await dialer.startTls(plain, options).then((tls) => {
          tls.close();
          return "accepted";
        }, ({ code }) => code);
        assert.equal(outcome, "certificate", what);
      });
    }
  },
);

/** nameConstraints (RFC 5280 §4.2.1.10): only host names below good.test. */
const ONLY_GOOD_TEST = new x509.Extension(
  "2.5.29.30",
  true,
  Uint8Array.from([0x30, 0x0f, 0xa0, 0x0d, 0x30, 0x0b, 0x82, 0x09, ...new TextEncoder().encode("good.test")]),
);

Deno.test("a chain is followed by signatures up to an authority of ours", async () => {
  const { root, intermediate, stranger, server, serverRsa, expiredServer } = await testCertificates();
  const own = new OwnAuthorities(root.certificate);
  const below = (options: Partial<Parameters<typeof Authority.create>[0]>, parent = root) =>
    Authority.create({ subject: "Below", ...options }, parent);
  const chainOf = async (authority: Authority, options = {}) =>
    ders((await authority.issue({ ...NAMED, ...options })).certificate);
  const bound = await below({ extensions: [ONLY_GOOD_TEST] });
  const inBounds = await chainOf(bound, { names: ["mail.good.test"] });
  const unnamed = await bound.issue({ subject: "mail.evil.test" });
  const [leaf] = ders(server.certificate);
  const [junk] = ders(ofVersion1(stranger.certificate));
  const notAuthority = await Authority.create({ subject: "mx.test", isAuthority: false }, root);
  const rows: (readonly [string, readonly Uint8Array[], RegExp | null])[] = [
    ["of the authority", [leaf!], null],
    ["with an RSA key", ders(serverRsa.certificate), null],
    ["of one below", await chainOf(intermediate), null],
    ["with what is not needed", [leaf!, junk!, ...ders(root.certificate)], null],

    ["two below", await chainOf(await below({ subject: "Deeper" }, await below({}))), null],
    ["within the name constraints", inBounds, null],
    ["nothing", [], /DER/],
    ["expired", ders(expiredServer.certificate), /no chain/],
    ["for clients only", await chainOf(root, { usages: ["clientAuth"] }), /no chain/],
    ["of a stranger", await chainOf(stranger), /no chain/],
    ["of a stranger of the same name", await chainOf(await Authority.create({ subject: ROOT })), /no chain/],
    ["without the one below", (await chainOf(intermediate)).slice(0, 1), /no chain/],
    ["of one that is no authority", await chainOf(notAuthority), /no chain/],
    ["of an expired one", await chainOf(await below({ fromDays: -30, untilDays: -1 })), /no chain/],
    [
      "below one with no path",
      await chainOf(await below({ subject: "Deeper" }, await below({ pathLength: 0 }))),
      /no chain/,
    ],
    ["name constraints beside what cannot be read", [...inBounds, junk!], /name constraints/],
    ["name constraints, and a name in the subject alone", ders(unnamed.certificate), /name constraints/],
    ["an octet behind", [Uint8Array.of(...leaf!, 0)], /DER/],
    ["changed where it is signed", [replaced(leaf!, "6d61696c2e74657374", "6576696c2e74657374")], /no chain/],
  ];
  for (const [what, chain, expected] of rows) {
    for (const time of ["first", "second"]) {
      const reason = await own.refusal(chain);
      if (expected === null) assert.equal(reason, null, `${what}, the ${time} time`);
      else assert.match(reason ?? "accepted", expected, `${what}, the ${time} time`);
    }
  }
  assert.match(await own.refusal([leaf!], Date.now() + 365 * 86_400_000) ?? "accepted", /no chain/);
  assert.match(await new OwnAuthorities("").refusal([leaf!]) ?? "accepted", /no chain/);
});

Deno.test("a server is known by its own certificate", async () => {
  const pinned = await selfSigned(["mail.test"]);
  const other = await selfSigned(["mail.test"]);
  const own = new OwnAuthorities(pinned.certificate);
  assert.equal(await own.refusal(ders(pinned.certificate)), null);
  assert.match(await own.refusal(ders(other.certificate)) ?? "accepted", /no chain/);
});

Deno.test("a certificate is strictly written or not", async () => {
  const [der] = ders((await testCertificates()).server.certificate);
  const signature = der!.length - 1;
  const digits = der!.toHex();
  const date = digits.match(/170d(3[0-9]){12}5a/)![0];
  const rows: (readonly [string, Uint8Array, boolean])[] = [
    ["as it is", der!, true],
    ["cut off", der!.subarray(0, signature), false],
    ["an octet behind", Uint8Array.of(...der!, 0), false],
    ["a length that is too long", Uint8Array.of(0x30, 0x83, 0, ...der!.subarray(2)), false],
    ["a month that is none", replaced(der!, date, date.slice(0, 8) + "3133" + date.slice(12)), false],
    ["a date without its zone", replaced(der!, date, date.slice(0, -2) + "30"), false],
    ["nothing", new Uint8Array(), false],
  ];
  for (const [what, octets, expected] of rows) assert.equal(isStrictlyWritten(octets), expected, what);
});
