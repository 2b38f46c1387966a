import assert from "node:assert/strict";
import type { SmtpAuthMethod } from "../../../src/config/settings.ts";
import { ehloLines } from "../../../src/policy/capabilities.ts";

const NO_LIMIT = { smtp_guard: true, smtp_max_message_size: null };
const CAPABILITIES = ["PIPELINING", "SIZE 10"];

/** Spec §2.6: `starttls`, methods, then the lines in clear and inside TLS. */
const CASES: readonly (readonly ["off" | "on" | "only", readonly SmtpAuthMethod[], string[], string[]])[] = [
  ["off", ["plain"], [...CAPABILITIES, "AUTH PLAIN"], [...CAPABILITIES, "AUTH PLAIN"]],
  ["on", ["plain"], [...CAPABILITIES, "AUTH PLAIN", "STARTTLS"], [...CAPABILITIES, "AUTH PLAIN"]],
  ["only", ["plain"], [...CAPABILITIES, "STARTTLS"], [...CAPABILITIES, "AUTH PLAIN"]],
  ["on", ["none"], [...CAPABILITIES, "STARTTLS"], CAPABILITIES],
  [
    "off",
    ["oauthbearer", "external", "none", "cram-md5", "xoauth2", "login", "plain"],
    [...CAPABILITIES, "AUTH PLAIN LOGIN CRAM-MD5 EXTERNAL XOAUTH2 OAUTHBEARER"],
    [...CAPABILITIES, "AUTH PLAIN LOGIN CRAM-MD5 EXTERNAL XOAUTH2 OAUTHBEARER"],
  ],
];

for (const [starttls, smtp_auth, plain, secure] of CASES) {
  Deno.test(`ehloLines() with starttls ${starttls} and ${smtp_auth.join(" ")}`, () => {
    assert.deepEqual(ehloLines({ starttls, smtp_auth, smtp_capabilities: CAPABILITIES, ...NO_LIMIT }), {
      plain,
      secure,
    });
  });
}

Deno.test("ehloLines() announces nothing where nothing is configured", () => {
  const lines = ehloLines({ starttls: "off", smtp_auth: ["none"], smtp_capabilities: [], ...NO_LIMIT });
  assert.deepEqual(lines, { plain: [], secure: [] });
});
