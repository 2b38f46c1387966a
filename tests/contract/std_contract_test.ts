/**
 * What Postern relies on of the `@std` packages. The same tests pass with the packages of the JSR registry and
 * with their stand-ins of `scripts/npm_imports.json`; behaviour that is not asserted here must not be used.
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { isIPv4, isIPv6 } from "@std/net/unstable-ip";
import { parse, stringify } from "@std/yaml";
import assert from "node:assert/strict";

const addresses: readonly { text: string; v4: boolean; v6: boolean }[] = [
  { text: "0.0.0.0", v4: true, v6: false },
  { text: "127.0.0.1", v4: true, v6: false },
  { text: "255.255.255.255", v4: true, v6: false },
  { text: "::", v4: false, v6: true },
  { text: "::1", v4: false, v6: true },
  { text: "2001:db8::1", v4: false, v6: true },
  { text: "2001:0db8:0000:0000:0000:0000:0000:0001", v4: false, v6: true },
  { text: "fe80::a:B:c", v4: false, v6: true },
  { text: "mx.example.com", v4: false, v6: false },
  { text: "256.0.0.1", v4: false, v6: false },
  { text: "1.2.3", v4: false, v6: false },
  { text: "1.2.3.4.5", v4: false, v6: false },
];

for (const { text, v4, v6 } of addresses) {
  Deno.test(`isIPv4() and isIPv6() know what "${text}" is`, () => {
    assert.equal(isIPv4(text), v4);
    assert.equal(isIPv6(text), v6);
  });
}

const octets = (...values: number[]) => Uint8Array.from(values);
const pairs: readonly { name: string; a: Uint8Array; b: Uint8Array; equal: boolean }[] = [
  { name: "equal octets", a: octets(1, 2, 3), b: octets(1, 2, 3), equal: true },
  { name: "nothing and nothing", a: octets(), b: octets(), equal: true },
  { name: "a different first octet", a: octets(0, 2, 3), b: octets(1, 2, 3), equal: false },
  { name: "a different last octet", a: octets(1, 2, 3), b: octets(1, 2, 4), equal: false },
  { name: "different lengths", a: octets(1, 2, 3), b: octets(1, 2), equal: false },
  { name: "nothing and something", a: octets(), b: octets(0), equal: false },
];

for (const { name, a, b, equal } of pairs) {
  Deno.test(`timingSafeEqual() answers ${equal} for ${name}`, () => {
    assert.equal(timingSafeEqual(a, b), equal);
    assert.equal(timingSafeEqual(b, a), equal);
  });
}

Deno.test("timingSafeEqual() looks only at the part that a view shows", () => {
  const whole = octets(9, 1, 2, 3, 9);
  assert.equal(timingSafeEqual(whole.subarray(1, 4), octets(1, 2, 3)), true);
});

const documents: readonly { name: string; value: unknown }[] = [
  { name: "a map of strings", value: { server_name: "mail.example.com", timeout: "60s" } },
  {
    name: "nested maps and lists",
    value: { mail: { servers: [{ listen: ["0.0.0.0:25", "[::]:25"] }, {}] } },
  },
  { name: "empty lists and maps", value: { smtp_capabilities: [], mail: {} } },
  { name: "numbers, flags and null", value: { max_errors: 5, on: true, off: false, none: null } },
  {
    name: "strings that look like something else",
    value: { a: "on", b: "5", c: "null", d: "true", e: "1e3", f: "", g: "0600", h: "~", i: "2026-01-01" },
  },
  {
    name: "strings with YAML's own characters",
    value: {
      a: "x: y",
      b: "# no comment",
      c: "- no list",
      d: "'\"",
      e: "{}",
      f: "*",
      g: "%A",
      h: " padded ",
    },
  },
  {
    name: "strings over several lines",
    value: { a: "one\ntwo\n", b: "-----BEGIN-----\nAA==\n-----END-----" },
  },
  { name: "a long string", value: { a: "word ".repeat(60).trim(), b: "x".repeat(300) } },
  { name: "Unicode", value: { a: "Jürgen €", b: "\u{1f4ec}" } },
];

for (const { name, value } of documents) {
  Deno.test(`parse() reads what stringify() wrote: ${name}`, () => {
    const text = stringify(value);
    assert.ok(text.endsWith("\n"));
    assert.deepEqual(parse(text), value);
  });
}

Deno.test("stringify() writes maps in the order of their keys' insertion, as block style", () => {
  assert.equal(stringify({ b: "x", a: { c: 1 } }), "b: x\na:\n  c: 1\n");
});

Deno.test("parse() throws on text that is not YAML", () => {
  for (const text of ["a: [1", "a: b: c"]) assert.throws(() => parse(text), Error, text);
});
