import assert from "node:assert/strict";
import type { VerifyClient } from "../../../src/config/settings.ts";
import { decideOnCertificate, type Verdict } from "../../../src/policy/client_certificate.ts";

const VERDICTS: Readonly<Record<string, Verdict>> = {
  none: { kind: "none" },
  good: { kind: "success" },
  untrusted: { kind: "failed", reason: "unable to get local issuer certificate", untrustedIssuer: true },
  expired: { kind: "failed", reason: "certificate has expired", untrustedIssuer: false },
};

/** The table of spec §5.3, in full. */
const EXPECTED: Readonly<Record<VerifyClient, Readonly<Record<string, string>>>> = {
  off: { none: "continue", good: "continue", untrusted: "continue", expired: "continue" },
  on: { none: "missing", good: "continue", untrusted: "refused", expired: "refused" },
  optional: { none: "continue", good: "continue", untrusted: "refused", expired: "refused" },
  optional_no_ca: { none: "continue", good: "continue", untrusted: "continue", expired: "refused" },
};

Deno.test("decideOnCertificate() decides as spec §5.3 says for every mode and verdict", () => {
  for (const [mode, row] of Object.entries(EXPECTED) as [VerifyClient, Record<string, string>][]) {
    for (const [name, expected] of Object.entries(row)) {
      const decision = decideOnCertificate(mode, VERDICTS[name]!);
      assert.equal(decision.kind, expected, `${mode}, ${name}`);
      if (decision.kind === "refused") assert.match(decision.reason, /certificate/);
    }
  }
});
