/**
 * What EHLO announces.
 *
 * @module
 */
import type { ServerSettings, SmtpAuthMethod } from "../config/settings.ts";
import { announcedCapabilities } from "./message_limits.ts";

/** nginx lists mechanisms in this order whatever the configuration's order is (spec §2.6). */
const MECHANISM_ORDER: readonly (readonly [SmtpAuthMethod, string])[] = [
  ["plain", "PLAIN"],
  ["login", "LOGIN"],
  ["cram-md5", "CRAM-MD5"],
  ["external", "EXTERNAL"],
  ["xoauth2", "XOAUTH2"],
  ["oauthbearer", "OAUTHBEARER"],
];

type Facts = Pick<
  ServerSettings,
  "smtp_auth" | "smtp_capabilities" | "starttls" | "smtp_guard" | "smtp_max_message_size"
>;

/**
 * Lines of the EHLO reply after the server's name: configured capabilities, then AUTH where it may be used, then
 * STARTTLS where it may be used (spec §2.6, nginx `smtp_capabilities`, `starttls`).
 */
export function ehloLines(facts: Facts): { readonly plain: string[]; readonly secure: string[] } {
  const listed = MECHANISM_ORDER.filter(([method]) => facts.smtp_auth.includes(method)).map(([, name]) =>
    name
  );
  const auth = listed.length > 0 ? [`AUTH ${listed.join(" ")}`] : [];
  const capabilities = announcedCapabilities(facts);
  const secure = [...capabilities, ...auth];
  if (facts.starttls === "off") return { plain: secure, secure };
  // Announced only where it is usable: with "only", AUTH comes after TLS (RFC 4954 §4, RFC 3207 §4.2).
  const plain = facts.starttls === "only" ? [...capabilities] : [...secure];
  return { plain: [...plain, "STARTTLS"], secure };
}
