/**
 * How large messages may be, and what is said of it in EHLO (RFC 1870).
 *
 * @module
 */
import type { ServerSettings } from "../config/settings.ts";
import type { Capabilities } from "../grammar/ehlo.ts";

type Facts = Pick<ServerSettings, "smtp_capabilities" | "smtp_guard" | "smtp_max_message_size">;

/** Most octets of a message that the guard lets through: `smtp_max_message_size`, else the SIZE that is announced. */
export function messageLimit(facts: Facts): number {
  if (!facts.smtp_guard) return Infinity;
  if (facts.smtp_max_message_size !== null) return facts.smtp_max_message_size;
  const sizes = facts.smtp_capabilities.flatMap((line) => announcedSize(line) ?? []);
  return sizes.length === 0 ? Infinity : Math.min(...sizes);
}

/** `smtp_capabilities` with the SIZE that holds. */
export function announcedCapabilities(facts: Facts): readonly string[] {
  if (!facts.smtp_guard || facts.smtp_max_message_size === null) return facts.smtp_capabilities;
  const size = `SIZE ${facts.smtp_max_message_size}`;
  const place = facts.smtp_capabilities.findIndex((line) => keywordOf(line) === "SIZE");
  const others = facts.smtp_capabilities.filter((line) => keywordOf(line) !== "SIZE");
  return place < 0 ? [...others, size] : others.toSpliced(place, 0, size);
}

/** Keywords, in upper case, of what is announced. */
export function announcedKeywords(facts: Facts): ReadonlySet<string> {
  return new Set(announcedCapabilities(facts).map(keywordOf));
}

/** Whatever the operator lists, these do not work in a relay. */
const NEVER = new Set(["STARTTLS", "AUTH", "XCLIENT", "XFORWARD"]);

/**
 * What a client is told that says EHLO again in the relay: of what Postern announces that which the mail server has,
 * with the smaller SIZE. Never STARTTLS or AUTH: both are over.
 */
export function relayedCapabilities(facts: Facts, offered: Capabilities): string[] {
  const limit = messageLimit(facts);
  return announcedCapabilities(facts).flatMap((line) => {
    const keyword = keywordOf(line);
    if (NEVER.has(keyword)) return [];
    // The guard paces a client that pipelines.
    if (keyword === "PIPELINING") return [line];
    if (keyword !== "SIZE") return offered.has(keyword) ? [line] : [];
    const theirs = Number(offered.get("SIZE")?.[0] ?? 0);
    const least = Math.min(limit, theirs > 0 ? theirs : Infinity);
    if (least !== Infinity) return [`SIZE ${least}`];
    return offered.has("SIZE") ? [line] : [];
  });
}

function keywordOf(line: string): string {
  return line.split(/[ =]/, 1)[0]!.toUpperCase();
}

/** The octets of a SIZE line; null for other lines, and for 0, which says nothing. */
function announcedSize(line: string): number | null {
  const octets = Number(/^SIZE +(\d{1,15})$/i.exec(line)?.[1] ?? 0);
  return octets > 0 ? octets : null;
}
