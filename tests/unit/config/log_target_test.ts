import assert from "node:assert/strict";
import { errorLogTarget, logTarget } from "../../../src/config/log_target.ts";
import { readAs } from "./reading.ts";

Deno.test("log reads a stream or a file, and a level", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["stderr", { to: { kind: "stderr" }, level: "info" }],
    ["stdout debug", { to: { kind: "stdout" }, level: "debug" }],
    ["off", { to: { kind: "off" }, level: "info" }],
    ["postern.log warn", { to: { kind: "file", path: "/conf/postern.log" }, level: "warn" }],
    ["/dev/stdout", { to: { kind: "stdout" }, level: "info" }],
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

Deno.test("error_log reads a stream or a file, and a level as nginx does", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["stderr", { to: { kind: "stderr" }, level: "error" }],
    ["/dev/stderr notice", { to: { kind: "stderr" }, level: "notice" }],
    ["logs/mail.log info", { to: { kind: "file", path: "/conf/logs/mail.log" }, level: "info" }],
  ];
  for (const [text, expected] of rows) {
    const { value } = readAs(errorLogTarget, text);
    assert.deepEqual(value, expected, text);
    assert.deepEqual(value && readAs(errorLogTarget, errorLogTarget.print(value)).value, expected, text);
  }
});

Deno.test("error_log says what is wrong with a target", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["off", /found "off", which nginx would take for the name of a file/],
    ["stderr inof", /unknown level "inof": did you mean "info"\?/],
    ["syslog:server=localhost", /a file or a stream, found "syslog:server=localhost"/],
    ["memory:32m debug", /a file or a stream, found "memory:32m"/],
  ];
  for (const [text, expected] of rows) {
    assert.match(readAs(errorLogTarget, text).problems.join(), expected, text);
  }
});
