import assert from "node:assert/strict";
import {
  formatIp,
  ipInRange,
  isIpv4,
  isLoopback,
  mapIpv4,
  parseCidr,
  parseIp,
  unmapIpv4,
} from "../../../src/bytes/ip_address.ts";

function ip(text: string): Uint8Array {
  const address = parseIp(text);
  assert.ok(address !== null, text);
  return address;
}

Deno.test("parseIp() and formatIp() agree with RFC 4291 §2.2 and RFC 5952", () => {
  const table: readonly [text: string, canonical: string][] = [
    ["0.0.0.0", "0.0.0.0"],
    ["192.0.2.255", "192.0.2.255"],
    ["::", "::"],
    ["::1", "::1"],
    ["1::", "1::"],
    ["2001:DB8:0:0:8:800:200C:417A", "2001:db8::8:800:200c:417a"],
    ["2001:0db8::0001", "2001:db8::1"],
    ["2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"],
    ["2001:0:0:1:0:0:0:1", "2001:0:0:1::1"],
    ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
    ["1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"],
    ["::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"],
    ["0:0:0:0:0:0:0:0", "::"],
    ["::ffff:192.0.2.1", "::ffff:192.0.2.1"],
    ["::FFFF:c000:201", "::ffff:192.0.2.1"],
    ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
    ["ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"],
  ];
  for (const [text, canonical] of table) {
    assert.equal(formatIp(ip(text)), canonical);
    assert.deepEqual(ip(canonical), ip(text));
  }
  assert.deepEqual(ip("1.2.3.4"), new Uint8Array([1, 2, 3, 4]));
  assert.deepEqual(ip("1::2"), new Uint8Array([0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2]));
});

Deno.test("parseIp() refuses everything else", () => {
  const table = [
    "",
    "1",
    "1.2.3",
    "1.2.3.4.5",
    "1.2.3.256",
    "1.2.3.04",
    "1.2.3.0x4",
    "1.2.3. 4",
    "1.2.3.4 ",
    "1.2.3.4\n",
    "1..2.3",
    "0001.2.3.4",
    "[::1]",
    "::1%eth0",
    ":",
    ":::",
    "1:2",
    ":1:2:3:4:5:6:7",
    "1:2:3:4:5:6:7:",
    "1:2:3:4:5:6:7:8:9",
    "1:2:3:4:5:6:7:8::",
    "::1:2:3:4:5:6:7:8",
    "1::2::3",
    "12345::",
    "g::",
    "1.2.3.4::",
    "::1.2.3.4:5",
    "::1.2.3",
    "1:2:3:4:5:6:7:1.2.3.4",
    "::ffff:1.2.3.04",
    "unix:",
    "localhost",
    "1:2:3:4:5:6:7:" + "0".repeat(40) + "8",
  ];
  for (const text of table) {
    assert.equal(parseIp(text), null, JSON.stringify(text));
    assert.equal(isIpv4(text), false, JSON.stringify(text));
  }
});

Deno.test("isIpv4() takes what parseIp() and formatIp() take and write, for every octet in every place", () => {
  for (let octet = 0; octet <= 300; octet++) {
    for (const text of [`${octet}.2.3.4`, `1.${octet}.3.4`, `1.2.${octet}.4`, `1.2.3.${octet}`]) {
      assert.equal(isIpv4(text), octet <= 255, text);
      const address = parseIp(text);
      assert.equal(address === null ? null : formatIp(address), octet <= 255 ? text : null);
      assert.equal(isIpv4(`0${text}`), false);
    }
  }
  assert.equal(isIpv4("255.255.255.255"), true);
  assert.equal(isIpv4("::1"), false);
  assert.equal(isIpv4("::ffff:1.2.3.4"), false);
});

Deno.test("parseIp() gives every address octets of its own", () => {
  const addresses: [Uint8Array, string][] = [];
  for (let i = 0; i < 2000; i++) {
    const text = i % 3 === 0 ? `2001:db8::${(i + 1).toString(16)}` : `10.0.${i >> 8}.${i & 255}`;
    addresses.push([ip(text), text]);
  }
  for (const [address, text] of addresses) {
    assert.equal(formatIp(address), text);
    address.fill(0xff);
  }
  assert.equal(formatIp(ip("::")), "::");
});

Deno.test("formatIp() throws for a wrong number of octets", () => {
  assert.throws(() => formatIp(new Uint8Array(5)), RangeError);
});

Deno.test("unmapIpv4() and mapIpv4() touch mapped addresses only", () => {
  assert.deepEqual(unmapIpv4(ip("::ffff:1.2.3.4")), ip("1.2.3.4"));
  assert.deepEqual(unmapIpv4(ip("1.2.3.4")), ip("1.2.3.4"));
  assert.deepEqual(unmapIpv4(ip("::1.2.3.4")), ip("::1.2.3.4"));
  assert.deepEqual(mapIpv4(ip("1.2.3.4")), ip("::ffff:1.2.3.4"));
  assert.deepEqual(mapIpv4(ip("::1")), ip("::1"));
});

Deno.test("parseCidr() reads an address with or without prefix", () => {
  assert.deepEqual(parseCidr("10.0.0.0/8"), { address: ip("10.0.0.0"), prefix: 8 });
  assert.deepEqual(parseCidr("10.0.0.1"), { address: ip("10.0.0.1"), prefix: 32 });
  assert.deepEqual(parseCidr("2001:db8::/32"), { address: ip("2001:db8::"), prefix: 32 });
  assert.deepEqual(parseCidr("::1"), { address: ip("::1"), prefix: 128 });
  assert.deepEqual(parseCidr("::/0"), { address: ip("::"), prefix: 0 });
  for (
    const text of ["10.0.0.0/33", "::/129", "::/", "::/-1", "::/08", "::/8/8", "/8", "x/8", "::/1e1", "::/ 8"]
  ) {
    assert.equal(parseCidr(text), null, text);
  }
});

Deno.test("ipInRange() compares the bits of the prefix", () => {
  const table: readonly [address: string, range: string, inside: boolean][] = [
    ["10.1.2.3", "10.0.0.0/8", true],
    ["11.1.2.3", "10.0.0.0/8", false],
    ["10.255.0.1", "10.128.0.0/9", true],
    ["10.127.0.1", "10.128.0.0/9", false],
    ["10.0.0.1", "10.0.0.1", true],
    ["10.0.0.0", "10.0.0.1", false],
    ["10.0.0.77", "10.0.0.1/24", true],
    ["1.2.3.4", "0.0.0.0/0", true],
    ["::1", "0.0.0.0/0", false],
    ["1.2.3.4", "::/0", false],
    ["2001:db8:ffff::1", "2001:db8::/32", true],
    ["2001:db9::1", "2001:db8::/32", false],
    ["::ffff:10.1.2.3", "10.0.0.0/8", true],
    ["::ffff:10.1.2.3", "::ffff:10.0.0.0/104", true],
    ["10.1.2.3", "::ffff:10.0.0.0/104", true],
    ["11.1.2.3", "::ffff:10.0.0.0/104", false],
    ["1.2.3.4", "::ffff:0:0/96", true],
    ["1.2.3.4", "::ffff:0:0/95", false],
  ];
  for (const [address, range, inside] of table) {
    const cidr = parseCidr(range);
    assert.ok(cidr !== null);
    assert.equal(ipInRange(ip(address), cidr.address, cidr.prefix), inside, `${address} in ${range}`);
  }
});

Deno.test("isLoopback() knows both families and the mapped form", () => {
  for (const text of ["127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"]) {
    assert.ok(isLoopback(ip(text)), text);
  }
  for (const text of ["126.0.0.1", "128.0.0.1", "::", "::2", "1::1", "::ffff:1.0.0.1", "::127.0.0.1"]) {
    assert.ok(!isLoopback(ip(text)), text);
  }
});
