import assert from "node:assert/strict";
import { formatNginxXclient, formatXclient, type XclientAttributes } from "../../../src/grammar/xclient.ts";

const ALL = new Set(["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "DESTADDR", "DESTPORT"]);

const CLIENT: XclientAttributes = {
  addr: "192.0.2.1",
  port: 4711,
  name: "mail.example",
  login: "alice",
  helo: "laptop",
  proto: "ESMTP",
  destaddr: "198.51.100.7",
  destport: 587,
};

Deno.test("formatXclient() says what is advertised, ADDR last", () => {
  assert.deepEqual(formatXclient(CLIENT, ALL), [
    "XCLIENT NAME=mail.example PORT=4711 PROTO=ESMTP HELO=laptop LOGIN=alice DESTADDR=198.51.100.7 DESTPORT=587 " +
    "ADDR=192.0.2.1",
  ]);
  assert.deepEqual(formatXclient(CLIENT, new Set(["ADDR", "NAME", "OTHER"])), [
    "XCLIENT NAME=mail.example ADDR=192.0.2.1",
  ]);
  assert.deepEqual(formatXclient(CLIENT, new Set()), []);
});

Deno.test("formatXclient() writes each attribute as Postfix reads it", () => {
  const table: readonly [change: Partial<XclientAttributes>, only: string, line: string | null][] = [
    [{ addr: "2001:DB8::1" }, "ADDR", "ADDR=IPV6:2001:db8::1"],
    [{ addr: "unix:" }, "ADDR", "ADDR=[UNAVAILABLE]"],
    [{ addr: "unix:", port: 0 }, "PORT", "PORT=[UNAVAILABLE]"],
    [{ destaddr: "::1" }, "DESTADDR", "DESTADDR=IPV6:::1"],
    [{ destaddr: "/run/postern.sock" }, "DESTADDR", "DESTADDR=[UNAVAILABLE]"],
    [{ destaddr: "/run/postern.sock" }, "DESTPORT", "DESTPORT=[UNAVAILABLE]"],
    [{ name: "[TEMPUNAVAIL]" }, "NAME", "NAME=[TEMPUNAVAIL]"],
    [{ name: "[UNAVAILABLE]" }, "NAME", "NAME=[UNAVAILABLE]"],
    [{ name: "" }, "NAME", "NAME=[UNAVAILABLE]"],
    [{ helo: null }, "HELO", "HELO=[UNAVAILABLE]"],
    [{ helo: "" }, "HELO", "HELO=[UNAVAILABLE]"],
    [{ helo: "a=b+c\xff\0" }, "HELO", "HELO=a+3Db+2Bc+FF+00"],
    [{ helo: "x".repeat(255) }, "HELO", "HELO=" + "x".repeat(255)],
    [{ helo: "x".repeat(256) }, "HELO", null],
    [{ name: "x".repeat(256) }, "NAME", null],
    [{ login: null }, "LOGIN", null],
    [{ login: "" }, "LOGIN", null],
    [{ login: "a b\r\nRSET" }, "LOGIN", "LOGIN=a+20b+0D+0ARSET"],
    [{ proto: "SMTP" }, "PROTO", "PROTO=SMTP"],
  ];
  for (const [change, only, attribute] of table) {
    const lines = formatXclient({ ...CLIENT, ...change }, new Set([only]));
    assert.deepEqual(lines, attribute === null ? [] : [`XCLIENT ${attribute}`]);
  }
});

Deno.test("formatXclient() splits at 512 octets and keeps ADDR for the end of the last line", () => {
  const name = "n".repeat(255);
  const helo = "h".repeat(255);
  const login = "l".repeat(250);
  const lines = formatXclient({ ...CLIENT, name, helo, login }, ALL);
  assert.deepEqual(lines, [
    `XCLIENT NAME=${name} PORT=4711 PROTO=ESMTP`,
    `XCLIENT HELO=${helo}`,
    `XCLIENT LOGIN=${login} DESTADDR=198.51.100.7 DESTPORT=587 ADDR=192.0.2.1`,
  ]);
  for (const line of lines) assert.ok(line.length + 2 <= 512);
});

Deno.test("formatXclient() fills a line up to its 512 octets", () => {
  const names = new Set(["HELO", "LOGIN"]);
  const helo = "h".repeat(255);
  const room = 510 - `XCLIENT HELO=${helo} LOGIN=`.length;
  assert.equal(formatXclient({ ...CLIENT, helo, login: "l".repeat(room) }, names).length, 1);
  assert.equal(formatXclient({ ...CLIENT, helo, login: "l".repeat(room + 1) }, names).length, 2);
});

Deno.test("formatXclient() sends the longest attribute that fits and leaves a longer one out", () => {
  const fits = 510 - "XCLIENT LOGIN=".length;
  const only = new Set(["LOGIN"]);
  assert.equal(formatXclient({ ...CLIENT, login: "l".repeat(fits) }, only)[0]?.length, 510);
  assert.deepEqual(formatXclient({ ...CLIENT, login: "l".repeat(fits + 1) }, only), []);
  assert.deepEqual(formatXclient({ ...CLIENT, login: " ".repeat(fits) }, new Set(["LOGIN", "ADDR"])), [
    "XCLIENT ADDR=192.0.2.1",
  ]);
});

Deno.test("formatNginxXclient() writes nginx's line", () => {
  const table: readonly [addr: string, login: string | null, name: string, line: string][] = [
    ["192.0.2.1", null, "[UNAVAILABLE]", "XCLIENT ADDR=192.0.2.1 NAME=[UNAVAILABLE]"],
    ["192.0.2.1", "", "mx.example", "XCLIENT ADDR=192.0.2.1 NAME=mx.example"],
    ["192.0.2.1", "a+b@c d", "mx", "XCLIENT ADDR=192.0.2.1 LOGIN=a+2Bb@c+20d NAME=mx"],
    ["2001:db8::1", "a", "mx", "XCLIENT ADDR=IPV6:2001:db8::1 LOGIN=a NAME=mx"],
    ["unix:", null, "[TEMPUNAVAIL]", "XCLIENT ADDR=unix: NAME=[TEMPUNAVAIL]"],
    ["192.0.2.1", null, "mx LOGIN=root\r\n", "XCLIENT ADDR=192.0.2.1 NAME=mx+20LOGIN+3Droot+0D+0A"],
  ];
  for (const [addr, login, name, line] of table) {
    assert.equal(formatNginxXclient({ addr, login, name }), line);
  }
});
