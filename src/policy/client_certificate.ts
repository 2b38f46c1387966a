/**
 * What becomes of a client whose certificate was judged.
 *
 * @module
 */
import type { VerifyClient } from "../config/settings.ts";

/** The judge's verdict, as far as it matters here. */
export type Verdict =
  | { readonly kind: "none" | "success" }
  | { readonly kind: "failed"; readonly reason: string; readonly untrustedIssuer: boolean };

export type CertificateDecision =
  | { readonly kind: "continue" | "missing" }
  | { readonly kind: "refused"; readonly reason: string };

/** nginx judges after the handshake, so that the client is told in SMTP (spec §5.3, `ssl_verify_client`). */
export function decideOnCertificate(mode: VerifyClient, verdict: Verdict): CertificateDecision {
  if (mode === "off") return { kind: "continue" };
  if (verdict.kind !== "failed") {
    return { kind: verdict.kind === "none" && mode === "on" ? "missing" : "continue" };
  }
  if (mode === "optional_no_ca" && verdict.untrustedIssuer) return { kind: "continue" };
  return { kind: "refused", reason: verdict.reason };
}
