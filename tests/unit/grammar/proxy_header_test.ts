import assert from "node:assert/strict";
import { crc32c } from "../../../src/bytes/crc32c.ts";
import { concatBytes, decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import {
  formatProxyV1,
  formatProxyV2,
  type ProxyEndpoint,
  type ProxyHeader,
  type ProxyHeaderFault,
  ProxyHeaderReader,
} from "../../../src/grammar/proxy_header.ts";
import { assertFaultsEveryWay, assertReadsEveryWay } from "./segmentation.ts";

const SIGNATURE = "\r\n\r\n\0\r\nQUIT\n";
/** 192.0.2.1:4711 to 198.51.100.7:25. */
const TCP4_ADDRESSES = "\xc0\x00\x02\x01\xc6\x33\x64\x07\x12\x67\x00\x19";

const make = () => new ProxyHeaderReader();

function addresses(
  source: ProxyEndpoint,
  destination: ProxyEndpoint,
  tlvs: { type: number; value: Uint8Array }[] = [],
): ProxyHeader {
  return { kind: "addresses", source, destination, tlvs };
}

function fault(text: string, code: ProxyHeaderFault["code"] = "malformed"): ProxyHeaderFault {
  return { kind: "fault", code, text };
}

/** A version 2 header with its length filled in. */
function v2(command: number, family: number, body: string): string {
  const length = String.fromCharCode(body.length >> 8, body.length & 0xff);
  return SIGNATURE + String.fromCharCode(command, family) + length + body;
}

function reads(input: string, header: ProxyHeader): void {
  assertReadsEveryWay<ProxyHeader | ProxyHeaderFault>(make, encodeLatin1(input), header);
}

function faults(input: string, expected: ProxyHeaderFault, octets = input.length): void {
  assertFaultsEveryWay<ProxyHeader | ProxyHeaderFault>(make, encodeLatin1(input), expected, octets);
}

Deno.test("ProxyHeaderReader reads version 1", () => {
  reads(
    "PROXY TCP4 192.0.2.1 198.51.100.7 4711 25\r\n",
    addresses({ host: "192.0.2.1", port: 4711 }, { host: "198.51.100.7", port: 25 }),
  );
  reads(
    "PROXY TCP6 2001:DB8::1 ::1 0 65535\r\n",
    addresses({ host: "2001:db8::1", port: 0 }, { host: "::1", port: 65535 }),
  );
  reads(
    "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::7 1 2\r\n",
    addresses({ host: "192.0.2.1", port: 1 }, { host: "2001:db8::7", port: 2 }),
  );
  reads("PROXY UNKNOWN\r\n", { kind: "unknown" });
  reads("PROXY UNKNOWN ffff::1 whatever 1 2\r\n", { kind: "unknown" });
  reads("PROXY UNKNOWN " + "x".repeat(91) + "\r\n", { kind: "unknown" });
});

Deno.test("ProxyHeaderReader refuses a line that is not of version 1", () => {
  const lines = [
    "PROXY TCP4 192.0.2.1 198.51.100.7 4711 25\n",
    "PROXY TCP4 192.0.2.1 198.51.100.7 4711\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.7 4711 25 \r\n",
    "PROXY TCP4  192.0.2.1 198.51.100.7 4711 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.7 4711 65536\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.7 04711 25\r\n",
    "PROXY TCP4 192.0.2.1 198.51.100.7 +711 25\r\n",
    "PROXY TCP4 192.0.2.256 198.51.100.7 4711 25\r\n",
    "PROXY TCP4 ::1 ::1 4711 25\r\n",
    "PROXY TCP6 192.0.2.1 198.51.100.7 4711 25\r\n",
    "PROXY TCP6 2001:db8::1 127.0.0.1 4711 25\r\n",
    "PROXY TCP6 [::1] ::1 4711 25\r\n",
    "PROXY TCP5 192.0.2.1 198.51.100.7 4711 25\r\n",
    "PROXY tcp4 192.0.2.1 198.51.100.7 4711 25\r\n",
    "PROXY UDP4 192.0.2.1 198.51.100.7 4711 25\r\n",
    "PROXY UNKNOWNX\r\n",
    "PROXY UNKNOWN\n",
    "PROXY UNKNOWN a\rb\r\n",
    "PROXY \r\n",
    "PROXY TCP4 192.0.2.1\r 198.51.100.7 4711 25\r\n",
  ];
  for (const line of lines) faults(line, fault(line));
});

Deno.test("ProxyHeaderReader refuses at once what begins like no header", () => {
  const table: readonly [input: string, octets: number][] = [
    ["EHLO mx.example\r\n", 1],
    ["\n", 1],
    ["\x16\x03\x01\x02", 1],
    ["proxy TCP4", 1],
    ["PRIVMSG x\r\n", 3],
    ["PROXY\r\n", 6],
    ["\r\nEHLO x\r\n", 3],
    ["\r\n\r\n\0\r\nQUIT\r\n", 12],
  ];
  for (const [input, octets] of table) faults(input, fault(input.slice(0, octets)), octets);
});

Deno.test("ProxyHeaderReader bounds both versions", () => {
  const long = "PROXY UNKNOWN " + "x".repeat(92) + "\r\n";
  faults(long, fault(long.slice(0, 107), "too_long"), 107);
  const fixed = SIGNATURE + "\x21\x11\x0f\xf1";
  faults(fixed, fault(fixed, "too_long"));
  const most = v2(0x20, 0, "\xff".repeat(4080));
  const reader = make();
  reader.feed(encodeLatin1(most + "EHLO"));
  assert.deepEqual(reader.next(), { kind: "local" });
  assert.equal(decodeLatin1(reader.takeRest()), "EHLO");
});

Deno.test("ProxyHeaderReader reads version 2", () => {
  const source = { host: "192.0.2.1", port: 4711 };
  const destination = { host: "198.51.100.7", port: 25 };
  const six = "\x20\x01\x0d\xb8" + "\0".repeat(11) + "\x01";
  const mapped = "\0".repeat(10) + "\xff\xff\xc0\x00\x02\x01";
  reads(v2(0x21, 0x11, TCP4_ADDRESSES), addresses(source, destination));
  reads(
    v2(0x21, 0x21, six + mapped + "\0\x01\xff\xff"),
    addresses({ host: "2001:db8::1", port: 1 }, { host: "192.0.2.1", port: 65535 }),
  );
  reads(
    v2(0x21, 0x11, TCP4_ADDRESSES + "\x02\x00\x02mx\x04\x00\x00\xe0\x00\x01\xff"),
    addresses(source, destination, [
      { type: 0x02, value: encodeLatin1("mx") },
      { type: 0x04, value: new Uint8Array(0) },
      { type: 0xe0, value: new Uint8Array([255]) },
    ]),
  );
  reads(v2(0x20, 0x00, ""), { kind: "local" });
  reads(v2(0x20, 0x11, TCP4_ADDRESSES), { kind: "local" });
  reads(v2(0x20, 0x99, "anything"), { kind: "local" });
  for (const family of [0x00, 0x12, 0x22, 0x31, 0x32]) {
    reads(v2(0x21, family, "\0".repeat(30)), { kind: "unknown" });
    reads(v2(0x21, family, ""), { kind: "unknown" });
  }
});

Deno.test("ProxyHeaderReader refuses a malformed version 2", () => {
  for (
    const [command, family] of [[0x11, 0x11], [0x22, 0x11], [0x01, 0x11], [0x21, 0x41], [0x21, 0x13], [
      0x21,
      0x10,
    ]]
  ) {
    const fixed = v2(command ?? 0, family ?? 0, TCP4_ADDRESSES).slice(0, 16);
    faults(fixed, fault(fixed));
  }
  const bodies: readonly [family: number, body: string][] = [
    [0x11, ""],
    [0x11, TCP4_ADDRESSES.slice(0, 11)],
    [0x21, "\0".repeat(35)],
    [0x11, TCP4_ADDRESSES + "\x02"],
    [0x11, TCP4_ADDRESSES + "\x02\x00"],
    [0x11, TCP4_ADDRESSES + "\x02\x00\x03mx"],
    [0x11, TCP4_ADDRESSES + "\x02\x00\x00\x02\xff\xff"],
  ];
  for (const [family, body] of bodies) {
    const input = v2(0x21, family, body);
    faults(input, fault(input));
  }
});

/** A version 2 header whose checksum TLV stands before other TLVs of fewer than 200 octets. */
function checksummed(change: (crc: number) => number, behind = "\x02\x00\x02mx"): string {
  const length = String.fromCharCode(12 + 7 + behind.length);
  const before = `${SIGNATURE}\x21\x11\x00${length}${TCP4_ADDRESSES}\x03\x00\x04`;
  const crc = change(crc32c(encodeLatin1(before + "\0\0\0\0" + behind))) >>> 0;
  return before + String.fromCharCode(crc >>> 24, (crc >> 16) & 0xff, (crc >> 8) & 0xff, crc & 0xff) + behind;
}

Deno.test("ProxyHeaderReader checks the CRC-32C where there is one", () => {
  const reader = make();
  reader.feed(encodeLatin1(checksummed((crc) => crc)));
  assert.equal(reader.next()?.kind, "addresses");
  for (const change of [(crc: number) => crc + 1, (crc: number) => crc ^ 0x80000000, () => 0]) {
    const input = checksummed(change);
    faults(input, fault(input, "checksum"));
  }
  const twoOctets = v2(0x21, 0x11, TCP4_ADDRESSES + "\x03\x00\x02\0\0");
  faults(twoOctets, fault(twoOctets, "checksum"));
  const twice = checksummed((crc) => crc, "\x03\x00\x04\0\0\0\0");
  faults(twice, fault(twice, "checksum"));
});

const FOUR = { host: "192.0.2.1", port: 4711 };
const OTHER_FOUR = { host: "198.51.100.7", port: 25 };
const SIX = { host: "2001:db8::1", port: 1234 };
const OTHER_SIX = { host: "::1", port: 587 };
const UNIX = { host: "unix:", port: 0 };

Deno.test("formatProxyV1() writes both addresses in one family", () => {
  const table: readonly [client: ProxyEndpoint, local: ProxyEndpoint, line: string][] = [
    [FOUR, OTHER_FOUR, "PROXY TCP4 192.0.2.1 198.51.100.7 4711 25\r\n"],
    [SIX, OTHER_SIX, "PROXY TCP6 2001:db8::1 ::1 1234 587\r\n"],
    [SIX, OTHER_FOUR, "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.7 1234 25\r\n"],
    [FOUR, OTHER_SIX, "PROXY TCP6 ::ffff:192.0.2.1 ::1 4711 587\r\n"],
    [{ host: "::ffff:192.0.2.1", port: 1 }, OTHER_FOUR, "PROXY TCP4 192.0.2.1 198.51.100.7 1 25\r\n"],
    [UNIX, OTHER_FOUR, "PROXY UNKNOWN\r\n"],
    [FOUR, UNIX, "PROXY UNKNOWN\r\n"],
    [{ host: "1.2.3.4 5.6.7.8", port: 1 }, OTHER_FOUR, "PROXY UNKNOWN\r\n"],
  ];
  for (const [client, local, line] of table) assert.equal(formatProxyV1(client, local), line);
});

Deno.test("what formatProxyV1() and formatProxyV2() write is read back", () => {
  for (const client of [FOUR, SIX]) {
    for (const local of [OTHER_FOUR, OTHER_SIX]) {
      reads(formatProxyV1(client, local), addresses(client, local));
      const reader = make();
      reader.feed(formatProxyV2({ client, local, tls: null }));
      const header = reader.next();
      assert.ok(header?.kind === "addresses");
      assert.deepEqual([header.source, header.destination], [client, local]);
      assert.deepEqual(header.tlvs.map((tlv) => tlv.type), [0x03]);
      assert.equal(reader.takeRest().length, 0);
    }
  }
});

Deno.test("formatProxyV2() writes LOCAL with a checksum for Unix sockets", () => {
  for (const [client, local] of [[UNIX, OTHER_FOUR], [FOUR, UNIX]] as const) {
    const header = formatProxyV2({ client, local, tls: null });
    assert.equal(decodeLatin1(header, 0, 19), SIGNATURE + "\x20\x00\x00\x07\x03\x00\x04");
    const zeroed = concatBytes([header.subarray(0, 19), new Uint8Array(4)]);
    assert.equal(new DataView(header.buffer).getUint32(19), crc32c(zeroed));
    assertReadsEveryWay<ProxyHeader | ProxyHeaderFault>(make, header, { kind: "local" });
  }
});

Deno.test("formatProxyV2() tells of the client's TLS", () => {
  const tls = {
    serverName: "mx.example",
    alpn: "smtp",
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    commonName: "J\u00f6rg",
  };
  const table = [
    { clientCertificate: "none", bits: "\x01\0\0\0\x01", name: "" },
    { clientCertificate: "verified", bits: "\x07\0\0\0\0", name: "\x22\x00\x05J\xc3\xb6rg" },
    { clientCertificate: "failed", bits: "\x07\0\0\0\x01", name: "\x22\x00\x05J\xc3\xb6rg" },
  ] as const;
  for (const { clientCertificate, bits, name } of table) {
    const reader = make();
    reader.feed(formatProxyV2({ client: FOUR, local: OTHER_FOUR, tls: { ...tls, clientCertificate } }));
    const header = reader.next();
    assert.ok(header?.kind === "addresses");
    const tlvs = header.tlvs.map(({ type, value }) => [type, decodeLatin1(value)]);
    assert.equal(tlvs.pop()?.[0], 0x03);
    assert.deepEqual(tlvs, [
      [0x02, "mx.example"],
      [0x01, "smtp"],
      [0x20, `${bits}\x21\x00\x07TLSv1.3${name}\x23\x00\x16TLS_AES_256_GCM_SHA384`],
    ]);
  }
});

Deno.test("formatProxyV2() leaves out what is not known or too long", () => {
  const tls = {
    serverName: null,
    alpn: "",
    protocol: "TLSv1.2",
    cipher: "x".repeat(256),
    commonName: "c".repeat(70_000),
    clientCertificate: "verified",
  } as const;
  const reader = make();
  reader.feed(formatProxyV2({ client: FOUR, local: OTHER_FOUR, tls }));
  const header = reader.next();
  assert.ok(header?.kind === "addresses");
  assert.deepEqual(header.tlvs.map(({ type }) => type), [0x20, 0x03]);
  assert.equal(decodeLatin1(header.tlvs[0]?.value ?? new Uint8Array(0)), "\x07\0\0\0\0\x21\x00\x07TLSv1.2");
});
