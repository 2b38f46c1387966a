import assert from "node:assert/strict";
import { bracketed, formatSocketAddress } from "../../../src/bytes/socket_address.ts";

Deno.test("formatSocketAddress() puts IPv6 in brackets and names Unix sockets", () => {
  assert.equal(formatSocketAddress({ kind: "tcp", host: "192.0.2.1", port: 25 }), "192.0.2.1:25");
  assert.equal(formatSocketAddress({ kind: "tcp", host: "2001:db8::1", port: 465 }), "[2001:db8::1]:465");
  assert.equal(formatSocketAddress({ kind: "tcp", host: "mx.test", port: 0 }), "mx.test:0");
  assert.equal(formatSocketAddress({ kind: "unix", path: "/run/smtp.sock" }), "unix:/run/smtp.sock");
  assert.equal(bracketed("::1"), "[::1]");
});
