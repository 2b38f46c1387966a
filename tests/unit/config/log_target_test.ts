import assert from "node:assert/strict";
import { logTarget } from "../../../src/config/log_target.ts";
import { readAs } from "./reading.ts";

Deno.test("log reads a stream or a file, and a level", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["stderr", { to: { kind: "stderr" }, level: "info" }],
    ["stdout debug", { to: { kind: "stdout" }, level: "debug" }],
    ["off", { to: { kind: "off" }, level: "info" }],
    ["postern.log warn", { to: { kind: "file", path: "/conf/postern.log" }, level: "warn" }],
    ["/var/log/postern.log", { to: { kind: "file", path: "/var/log/postern.log" }, level: "info" }],
  ];
  for (const [text, expected] of rows) {
    const { value } = readAs(logTarget, text);
    assert.deepEqual(value, expected, text);
    assert.deepEqual(value && readAs(logTarget, logTarget.print(value)).value, expected, text);
  }
});

Deno.test("log says what is wrong with a target", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["''", /expected "stderr", "stdout", "off" or a file name/],
    ["stderr inof", /unknown level "inof": did you mean "info"\?/],
    ["stderr banana", /found "stderr banana"/],
    ["stderr info more", /found "stderr info more"/],
    ["syslog:server=localhost", /a file or a stream, found "syslog:server=localhost"/],
  ];
  for (const [text, expected] of rows) assert.match(readAs(logTarget, text).problems.join(), expected, text);
});
