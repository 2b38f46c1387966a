/**
 * The reasons are those that OpenSSL 3.0 gives for the same chains, with a callback that lets every error pass, as
 * nginx's does.
 */
import assert from "node:assert/strict";
import "reflect-metadata";
import * as x509 from "@peculiar/x509";
import { generateKeys, SIGNING } from "../../../scripts/self_signed.ts";
import { CertificateJudge } from "../../../src/io/certificate_judge.ts";

const DAY_MS = 86_400_000;
const NOW = Date.now();
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const { keyCertSign, cRLSign, keyEncipherment } = x509.KeyUsageFlags;
const AUTHORITY = { isAuthority: true, keyUsage: keyCertSign | cRLSign };

interface Made {
  readonly certificate: x509.X509Certificate;
  readonly keys: CryptoKeyPair;
}

interface Spec {
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  readonly keyUsage?: number;
  readonly usages?: string[];
  readonly extensions?: x509.Extension[];
  readonly fromDays?: number;
  readonly untilDays?: number;
  /** Signs instead of the issuer. */
  readonly signer?: Made;
  readonly keyIds?: boolean;
}

const V1_ISSUER = `-----BEGIN CERTIFICATE-----
MIIBcjCCARmgAwIBAgIUKqVzYeaagTCVdsyKBTX50mV08Z8wCgYIKoZIzj0EAwIw
DjEMMAoGA1UEAwwDbGNhMCAXDTI2MTEyMzE2MDUwOVoYDzIxMjYxMDMwMTYwNTA5
WjAOMQwwCgYDVQQDDANsY2EwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATwk6DJ
oFbo8eya4xww+qGB4gPe5L7wxXb7RD2IW6U4L4R1HAIGM2dxSuLUMjfPcBp9fWtw
bNQA7JTUuIInSBMGo1MwUTAdBgNVHQ4EFgQUhSteqH61OQGmWglrOcD7NfPNQIMw
HwYDVR0jBBgwFoAUhSteqH61OQGmWglrOcD7NfPNQIMwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNHADBEAiAV3PD1RUxWaB3s87P/zNUkfYIkHJwzHeFGG0GJ
o6n/ugIgcmeSE2RtLeibwAC6KMA8eOPheyuA8kKePodCoiIIc6Y=
-----END CERTIFICATE-----
`;

const V1_CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIBAzCBqwIBCTAKBggqhkjOPQQDAjAOMQwwCgYDVQQDDANsY2EwIBcNMjYxMTIz
MTYwNTA5WhgPMjEyNjEwMzAxNjA1MDlaMA0xCzAJBgNVBAMMAnYxMFkwEwYHKoZI
zj0CAQYIKoZIzj0DAQcDQgAE1U10WiyW++jjZbgkyVarUuNCbA9Ncgg1PjoVNvWU
GxWQmXwQ+P8wiBlHmluFfmikTPvnNdiH7fdpzMkAzw5gRDAKBggqhkjOPQQDAgNH
ADBEAiAReaWOWsjs42c7XylbMuTkog2n0zkELSpV4p/Vt7+ZVgIgKWgSdWP7elQ+
mLTt3HqxaF6wCs+QHOvMfTXyLLCUsDY=
-----END CERTIFICATE-----
`;

let serial = 0x10;

async function make(name: string, issuer: Made | null, spec: Spec = {}): Promise<Made> {
  const keys = await generateKeys("ecdsa");
  const extensions = [...spec.extensions ?? []];
  if (spec.isAuthority !== undefined) {
    extensions.push(new x509.BasicConstraintsExtension(spec.isAuthority, spec.pathLength, true));
  }
  if (spec.keyUsage !== undefined) extensions.push(new x509.KeyUsagesExtension(spec.keyUsage, true));
  if (spec.usages !== undefined) extensions.push(new x509.ExtendedKeyUsageExtension(spec.usages));
  if (spec.keyIds !== false) {
    extensions.push(await x509.SubjectKeyIdentifierExtension.create(keys.publicKey));
    if (issuer) extensions.push(await x509.AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey));
  }
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: (serial++).toString(16),
    subject: `CN=${name}`,
    issuer: issuer?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(NOW + (spec.fromDays ?? -1) * DAY_MS),
    notAfter: new Date(NOW + (spec.untilDays ?? 5) * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: (spec.signer ?? issuer)?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: SIGNING.ecdsa,
    extensions,
  });
  return { certificate, keys };
}

async function listOf(
  issuer: Made,
  revoked: readonly Made[] = [],
  spec: { fromDays?: number; untilDays?: number; signer?: Made } = {},
): Promise<string> {
  const list = await x509.X509CrlGenerator.create({
    issuer: issuer.certificate.subject,
    thisUpdate: new Date(NOW + (spec.fromDays ?? -1) * DAY_MS),
    nextUpdate: new Date(NOW + (spec.untilDays ?? 5) * DAY_MS),
    entries: revoked.map(({ certificate }) => ({
      serialNumber: certificate.serialNumber,
      revocationDate: new Date(NOW - DAY_MS),
      reason: x509.X509CrlReason.keyCompromise,
    })),
    signingKey: (spec.signer ?? issuer).keys.privateKey,
    signingAlgorithm: SIGNING.ecdsa,
  });
  return x509.PemConverter.encode(list.rawData, "X509 CRL") + "\n";
}

const pemOf = (made: readonly Made[]) =>
  made.map(({ certificate }) => certificate.toString("pem")).join("\n");
const derOf = (made: readonly Made[]) => made.map(({ certificate }) => new Uint8Array(certificate.rawData));

/** The reason for `chain`, or `ok`. */
async function reasonFor(
  chain: readonly Made[],
  anchors: readonly Made[],
  options: { depth?: number; crl?: string; now?: number } = {},
): Promise<string> {
  const { depth = 1, crl = null, now = NOW } = options;
  const judge = new CertificateJudge({ anchorsPem: pemOf(anchors), depth, crlPem: crl });
  const verdict = await judge.judge(derOf(chain), now);
  assert.notEqual(verdict.kind, "none");
  if (verdict.kind !== "failed") return "ok";
  assert.equal(verdict.untrustedIssuer, FORGIVABLE.has(verdict.reason), verdict.reason);
  return verdict.reason;
}

const UNVERIFIED = "unable to verify the first certificate";
const NO_LOCAL_ISSUER = "unable to get local issuer certificate";
const SELF_SIGNED = "self-signed certificate";
const IN_CHAIN = "self-signed certificate in certificate chain";
const FORGIVABLE: ReadonlySet<string> = new Set([UNVERIFIED, NO_LOCAL_ISSUER, SELF_SIGNED, IN_CHAIN]);
const PURPOSE = "unsuitable certificate purpose";
const EXPIRED = "certificate has expired";

const root = await make("root", null, AUTHORITY);
const other = await make("other", null, AUTHORITY);
const first = await make("first", root, AUTHORITY);
const second = await make("second", first, AUTHORITY);
const leaf = (issuer: Made | null, spec: Spec = {}) => make("client", issuer, spec);
const good = await leaf(root);

Deno.test("a certificate of a trusted authority is good, and each of its defects is named", async () => {
  const critical = new x509.Extension("1.2.3.4.5", true, Uint8Array.of(5, 0).buffer);
  const rows: [string, Made, string][] = [
    ["good", good, "ok"],
    ["for clients", await leaf(root, { usages: [CLIENT_AUTH, SERVER_AUTH] }), "ok"],
    ["for servers only", await leaf(root, { usages: [SERVER_AUTH] }), PURPOSE],
    ["may not sign", await leaf(root, { keyUsage: keyEncipherment }), PURPOSE],
    ["expired", await leaf(root, { untilDays: -0.5 }), EXPIRED],
    ["not yet valid", await leaf(root, { fromDays: 1 }), "certificate is not yet valid"],
    ["of a stranger", await leaf(other), UNVERIFIED],
    ["of a stranger and expired", await leaf(other, { untilDays: -0.5 }), UNVERIFIED],
    [
      "signed by a stranger in the root's name",
      await leaf(root, { signer: other }),
      "certificate signature failure",
    ],
    ["self-signed", await leaf(null), SELF_SIGNED],
    ["self-signed and expired", await leaf(null, { untilDays: -0.5 }), EXPIRED],
    [
      "with an unknown critical extension",
      await leaf(root, { extensions: [critical] }),
      "unhandled critical extension",
    ],
    ["an authority's own, not for signing anything else", first, PURPOSE],
  ];
  for (const [name, certificate, expected] of rows) {
    assert.equal(await reasonFor([certificate], [root]), expected, name);
  }
});

Deno.test("a self-signed certificate that is trusted itself is good", async () => {
  const own = await leaf(null);
  assert.equal(await reasonFor([own], [own]), "ok");
});

Deno.test("what the client sends never makes an anchor", async () => {
  const fake = await make("root", null, AUTHORITY);
  const anonymous = { keyIds: false };
  const twin = await make("root", null, { ...AUTHORITY, ...anonymous });
  const rows: [Made[], string][] = [
    [[await leaf(fake), fake], IN_CHAIN],
    [[await leaf(twin, anonymous), twin], "certificate signature failure"],
    [[await leaf(other), other], IN_CHAIN],
    [[await leaf(other), good], UNVERIFIED],
  ];
  for (const [chain, expected] of rows) assert.equal(await reasonFor(chain, [root]), expected);
});

Deno.test("intermediates may come from the client in any order, or from the operator", async () => {
  const client = await leaf(second);
  const rows: [Made[], Made[], string][] = [
    [[client, second, first], [root], "ok"],
    [[client, first, second], [root], "ok"],
    [[client, second, first, root], [root], "ok"],
    [[client], [root, first, second], "ok"],
    [[client, second], [root], NO_LOCAL_ISSUER],
    [[client], [root], UNVERIFIED],
    [[client, second, first], [other], NO_LOCAL_ISSUER],
    // An intermediate that is trusted without its root is no anchor.
    [[client, second], [first], "unable to get issuer certificate"],
    [[client, second, root], [first], "unable to get issuer certificate"],
  ];
  for (const [chain, anchors, expected] of rows) {
    assert.equal(await reasonFor(chain, anchors, { depth: 5 }), expected);
  }
});

Deno.test("ssl_verify_depth counts the intermediates", async () => {
  const client = await leaf(second);
  const ofFirst = await leaf(first);
  for (const depth of [0, 1, 2, 3]) {
    assert.equal(await reasonFor([good], [root], { depth }), "ok");
    assert.equal(await reasonFor([ofFirst, first], [root], { depth }), depth >= 1 ? "ok" : NO_LOCAL_ISSUER);
    assert.equal(
      await reasonFor([client, second, first], [root], { depth }),
      depth >= 2 ? "ok" : NO_LOCAL_ISSUER,
    );
  }
});

Deno.test("only authorities may issue", async () => {
  const rows: [string, Made, string][] = [
    ["another client", good, PURPOSE],
    ["basicConstraints says no", await make("no", root, { isAuthority: false }), PURPOSE],
    ["no basicConstraints", await make("none", root), PURPOSE],
    [
      "may not sign certificates",
      await make("usage", root, { isAuthority: true, keyUsage: cRLSign }),
      "key usage does not include certificate signing",
    ],
    ["for servers only", await make("servers", root, { ...AUTHORITY, usages: [SERVER_AUTH] }), PURPOSE],
    ["expired", await make("expired", root, { ...AUTHORITY, untilDays: -0.5 }), EXPIRED],
    [
      "with name constraints",
      await make("constrained", root, {
        ...AUTHORITY,
        extensions: [new x509.Extension("2.5.29.30", true, Uint8Array.of(0x30, 0).buffer)],
      }),
      "unsupported name constraint type",
    ],
  ];
  for (const [name, issuer, expected] of rows) {
    assert.equal(await reasonFor([await leaf(issuer), issuer], [root]), expected, name);
  }
  const expiredRoot = await make("old", null, { ...AUTHORITY, untilDays: -0.1 });
  assert.equal(await reasonFor([await leaf(expiredRoot)], [expiredRoot]), EXPIRED);
});

Deno.test("a path length constraint counts the authorities below it", async () => {
  const limited = await make("limited", root, { ...AUTHORITY, pathLength: 0 });
  const below = await make("below", limited, AUTHORITY);
  assert.equal(await reasonFor([await leaf(limited), limited], [root]), "ok");
  assert.equal(
    await reasonFor([await leaf(below), below, limited], [root], { depth: 5 }),
    "path length constraint exceeded",
  );
});

Deno.test("every certificate of the chain needs a revocation list in force", async () => {
  const revoked = await leaf(root);
  const ofFirst = await leaf(first);
  const revokedOfFirst = await leaf(first);
  const silent = await make("silent", root, { isAuthority: true, keyUsage: keyCertSign });
  const ofRoot = await listOf(root, [revoked]);
  const listOfFirst = await listOf(first, [revokedOfFirst]);
  const expired = { untilDays: -0.5 };
  const rows: [string, Made[], string, string][] = [
    ["good", [good], ofRoot, "ok"],
    ["revoked", [revoked], ofRoot, "certificate revoked"],
    ["good with intermediate", [ofFirst, first], ofRoot + listOfFirst, "ok"],
    ["revoked by intermediate", [revokedOfFirst, first], ofRoot + listOfFirst, "certificate revoked"],
    [
      "intermediate revoked",
      [ofFirst, first],
      await listOf(root, [first]) + listOfFirst,
      "certificate revoked",
    ],
    ["no list of the intermediate", [ofFirst, first], ofRoot, "unable to get certificate CRL"],
    ["no list of the root", [good], await listOf(other), "unable to get certificate CRL"],
    ["expired list", [good], await listOf(root, [], expired), "CRL has expired"],
    ["revoked by an expired list", [revoked], await listOf(root, [revoked], expired), "CRL has expired"],
    ["expired and current list", [good], await listOf(root, [], expired) + ofRoot, "ok"],
    ["list of the future", [good], await listOf(root, [], { fromDays: 1 }), "CRL is not yet valid"],
    ["forged list", [good], await listOf(root, [], { signer: other }), "CRL signature failure"],
    ["a stranger's client", [await leaf(other)], ofRoot, UNVERIFIED],
    [
      "list of an authority that may not make any",
      [await leaf(silent), silent],
      ofRoot + await listOf(silent),
      "key usage does not include CRL signing",
    ],
  ];
  for (const [name, chain, crl, expected] of rows) {
    assert.equal(await reasonFor(chain, [root], { crl }), expected, name);
  }
});

Deno.test("time is the caller's", async () => {
  assert.equal(await reasonFor([good], [root], { now: NOW + 6 * DAY_MS }), EXPIRED);
  assert.equal(await reasonFor([good], [root], { now: NOW - 2 * DAY_MS }), "certificate is not yet valid");
});

Deno.test("a changed octet anywhere in what the authority signed is noticed", async () => {
  const judge = new CertificateJudge({ anchorsPem: pemOf([root]), depth: 1, crlPem: null });
  const der = derOf([good])[0]!;
  // SEQUENCE { tbsCertificate SEQUENCE { ... } ... }; 0x82 stands before a length of two octets, 0x81 before one.
  const begin = 2 + (der[1]! & 0x7f);
  const end = begin +
    (der[begin + 1] === 0x82 ? 4 + der[begin + 2]! * 256 + der[begin + 3]! : 3 + der[begin + 2]!);
  const unnoticed: number[] = [];
  for (let at = begin; at < end; at++) {
    const changed = der.slice();
    changed[at]! ^= 1;
    const verdict = await judge.judge([changed], NOW);
    if (verdict.kind !== "failed") unnoticed.push(at);
  }
  assert.deepEqual(unnoticed, []);
});

Deno.test("a certificate of version 1 is refused, since the runtime does not check signatures with it", async () => {
  // CN=v1, issued by CN=lca with `openssl x509 -req` without extensions.
  const pem = V1_CERTIFICATE;
  const judge = new CertificateJudge({ anchorsPem: V1_ISSUER, depth: 1, crlPem: null });
  const der = new Uint8Array(new x509.X509Certificate(pem).rawData);
  const verdict = await judge.judge([der], NOW);
  assert.deepEqual(verdict, {
    kind: "failed",
    reason: "unsupported certificate version",
    untrustedIssuer: false,
  });
});

Deno.test("octets that are no certificate are refused, and none at all is none", async () => {
  const judge = new CertificateJudge({ anchorsPem: pemOf([root]), depth: 1, crlPem: null });
  const verdict = await judge.judge([Uint8Array.of(1, 2, 3)], NOW);
  assert.deepEqual(verdict, { kind: "failed", reason: "certificate not parsed", untrustedIssuer: false });
  assert.deepEqual(await judge.judge([], NOW), { kind: "none" });
});
