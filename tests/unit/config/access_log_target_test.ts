import assert from "node:assert/strict";
import { accessLogTargets } from "../../../src/config/access_log_target.ts";
import { stringify } from "@std/yaml";
import { readAs } from "./reading.ts";

Deno.test("access_log reads streams and files, each with a format, or off", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["off", []],
    ["stderr", [{ to: { kind: "stderr" }, format: "json" }]],
    ["/dev/stdout format=text", [{ to: { kind: "stdout" }, format: "text" }]],
    ["mail.log format=json", [{ to: { kind: "file", path: "/conf/mail.log" }, format: "json" }]],
    ["[stderr, /var/log/mail.log format=text]", [
      { to: { kind: "stderr" }, format: "json" },
      { to: { kind: "file", path: "/var/log/mail.log" }, format: "text" },
    ]],
  ];
  for (const [text, expected] of rows) {
    const { value, problems } = readAs(accessLogTargets, text);
    assert.deepEqual([value, problems], [expected, []], text);
    assert.deepEqual(
      readAs(accessLogTargets, stringify(accessLogTargets.print(value!))).value,
      expected,
      text,
    );
  }
});

Deno.test("access_log says what is wrong with a destination", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["''", /expected "stderr", "stdout" or a file name/],
    ["stderr format=jsn", /unknown parameter "format=jsn" of an access log: did you mean "format=json"\?/],
    [
      "mail.log combined",
      /unknown parameter "combined" of an access log: it may be format=json or format=text/,
    ],
    ["stderr format=text buffer=32k", /found "stderr format=text buffer=32k"/],
    ["[stderr, off]", /"off" stands alone/],
    ["off format=text", /"off" stands alone/],
    ["syslog:server=localhost", /a file or a stream, found "syslog:server=localhost"/],
  ];
  for (const [text, expected] of rows) {
    assert.match(readAs(accessLogTargets, text).problems.join(), expected, text);
  }
});
