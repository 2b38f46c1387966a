import assert from "node:assert/strict";
import { nearName } from "../../../src/config/near_name.ts";

const NAMES = ["timeout", "server_name", "smtp_auth", "ssl", "xclient", "proxy_timeout"];

Deno.test("nearName() finds the name behind a slip, and none where nothing is alike", () => {
  const rows: readonly (readonly [string, string | null])[] = [
    ["timout", "timeout"],
    ["tiemout", "timeout"],
    ["serverName", "server_name"],
    ["server-name", "server_name"],
    ["smtp_auht", "smtp_auth"],
    ["sls", "ssl"],
    ["proxy_timeouts", "proxy_timeout"],
    ["banana", null],
    ["x", null],
    ["", null],
  ];
  for (const [wrong, expected] of rows) assert.equal(nearName(wrong, NAMES), expected, wrong);
});

Deno.test("nearName() is quick with names of any length", () => {
  assert.equal(nearName("x".repeat(1_000_000), NAMES), null);
});
