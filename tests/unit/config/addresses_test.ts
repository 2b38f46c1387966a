import { formatSocketAddress } from "../../../src/bytes/socket_address.ts";
import assert from "node:assert/strict";
import {
  addressRange,
  ipAddress,
  localAddress,
  parseHostAndPort,
  resolverTarget,
  upstreamAddress,
} from "../../../src/config/addresses.ts";
import { readAs } from "./reading.ts";

Deno.test("parseHostAndPort() takes hosts and ports apart", () => {
  const rows: readonly (readonly [string, ReturnType<typeof parseHostAndPort>])[] = [
    ["127.0.0.1:25", { host: "127.0.0.1", port: 25 }],
    ["mx.example.com", { host: "mx.example.com", port: null }],
    ["[::1]:25", { host: "::1", port: 25 }],
    ["[0:0:0:0:0:0:0:1]", { host: "::1", port: null }],
    ["::1", null],
    ["[127.0.0.1]:25", null],
    ["[::1", null],
    ["1.2.3.4.5:25", null],
    ["256.1.1.1:25", null],
    ["mx:65536", null],
    ["mx:", null],
    [":25", null],
    ["mx example:25", null],
    ["-mx:25", null],
    ["", null],
  ];
  for (const [text, expected] of rows) assert.deepEqual(parseHostAndPort(text), expected, text);
});

Deno.test("upstreamAddress reads addresses of mail servers, and writes what it reads", () => {
  for (const text of ["10.0.0.5:25", "[2001:db8::1]:587", "mx.example.com:25", "unix:/run/lmtp.sock"]) {
    const { value, problems } = readAs(upstreamAddress, JSON.stringify(text));
    assert.deepEqual(problems, []);
    assert.equal(value && formatSocketAddress(value), text);
  }
  for (const text of ["mx", "mx:0", "unix:relative", "unix:", `unix:/${"x".repeat(107)}`, "a b:1"]) {
    assert.equal(readAs(upstreamAddress, JSON.stringify(text)).problems.length, 1, text);
  }
});

Deno.test("localAddress refuses names and addresses without a port", () => {
  assert.deepEqual(readAs(localAddress, '"*:9901"').value, { kind: "tcp", host: "0.0.0.0", port: 9901 });
  assert.match(
    readAs(localAddress, "localhost:1").problems[0] ?? "",
    /"127\.0\.0\.1" or "\[::1\]", found the name "localhost"/,
  );
  assert.match(
    readAs(localAddress, "127.0.0.1").problems[0] ?? "",
    /expected an address with a port .*, found "127\.0\.0\.1"/,
  );
});

Deno.test("addressRange reads addresses, networks and unix:", () => {
  const octets = (...values: number[]) => Uint8Array.from(values);
  const rows: readonly (readonly [string, unknown, string])[] = [
    ["10.0.0.0/8", { kind: "ip", address: octets(10, 0, 0, 0), prefix: 8 }, "10.0.0.0/8"],
    ["10.1.2.3", { kind: "ip", address: octets(10, 1, 2, 3), prefix: 32 }, "10.1.2.3"],
    ["'unix:'", { kind: "unix" }, "unix:"],
    ["'::/0'", { kind: "ip", address: new Uint8Array(16), prefix: 0 }, "::/0"],
  ];
  for (const [text, expected, printed] of rows) {
    const { value } = readAs(addressRange, text);
    assert.deepEqual(value, expected, text);
    assert.equal(value && addressRange.print(value), printed);
  }
  for (const text of ["10.0.0.0/33", "10.0.0", "balancer.example", "''"]) {
    assert.equal(readAs(addressRange, text).problems.length, 1, text);
  }
});

Deno.test("resolverTarget reads name servers and their parameters", () => {
  assert.deepEqual(readAs(resolverTarget, '127.0.0.1 "[::1]:5353"').problems.length, 1, "not one YAML text");
  const { value } = readAs(resolverTarget, '"127.0.0.1 [::1]:5353 valid=30s ipv6=off"');
  assert.deepEqual(value, {
    servers: [{ host: "127.0.0.1", port: 53 }, { host: "::1", port: 5353 }],
    ipv4: true,
    ipv6: false,
    validMs: 30_000,
  });
  assert.deepEqual(value && resolverTarget.print(value), [
    "127.0.0.1:53",
    "[::1]:5353",
    "valid=30s",
    "ipv6=off",
  ]);
});

Deno.test("resolverTarget says what is wrong with its parameters", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["valid=30s", /no name servers defined/],
    ["127.0.0.1 ipv4=off ipv6=off", /cannot both be "off"/],
    ["127.0.0.1 valid=soon", /found "valid=soon"/],
    ["127.0.0.1 ipv6=maybe", /found "ipv6=maybe"/],
    ["127.0.0.1 status_zone=x", /found "status_zone=x"/],
    ["dns.example", /found the name "dns.example"/],
    ["{a: b}", /found a map/],
  ];
  for (const [text, expected] of rows) {
    assert.match(readAs(resolverTarget, text).problems.join(), expected, text);
  }
});

Deno.test("an IP address is read in any form and written in one", () => {
  for (
    const [text, expected] of [["192.0.2.1", "192.0.2.1"], ["2001:DB8:0::1", "2001:db8::1"], ["[::1]", "::1"]]
  ) {
    assert.equal(readAs(ipAddress, JSON.stringify(text)).value, expected);
  }
  for (const text of ["mx.test", "192.0.2", "[192.0.2.1]", "192.0.2.1:25", "$remote_addr"]) {
    assert.match(
      readAs(ipAddress, JSON.stringify(text)).problems.join(),
      /expected an IP address such as/,
      text,
    );
  }
});
