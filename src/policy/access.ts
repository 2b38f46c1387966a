/**
 * Who may connect: nginx's `allow` and `deny`.
 *
 * @module
 */
import { ipInRange, parseIp } from "../bytes/ip_address.ts";
import type { AccessRule, AddressRange } from "../config/settings.ts";

/** The first rule that fits decides; whom none fits is let in (nginx's access modules). */
export function mayConnect(rules: readonly AccessRule[], host: string): boolean {
  const address = parseIp(host);
  const rule = rules.find(({ range }) => range === "all" || covers(range, address));
  return rule === undefined || rule.action === "allow";
}

/** Whether a host, an address or `unix:`, is in one of `ranges`. */
export function isInRanges(ranges: readonly AddressRange[], host: string): boolean {
  if (ranges.length === 0) return false;
  const address = parseIp(host);
  return ranges.some((range) => covers(range, address));
}

/** Whoever has no address came over a Unix socket. */
function covers(range: AddressRange, address: Uint8Array | null): boolean {
  if (range.kind === "unix") return address === null;
  return address !== null && ipInRange(address, range.address, range.prefix);
}
