/**
 * Who may connect: nginx's `allow` and `deny`.
 *
 * @module
 */
import { ipInRange, parseIp } from "../bytes/ip_address.ts";
import type { AccessRule, AddressRange } from "../config/settings.ts";

/** The host by which a peer of a Unix socket goes. */
const UNIX = "unix:";

/** The first rule that fits decides; whom none fits is let in (nginx's access modules). */
export function mayConnect(rules: readonly AccessRule[], host: string): boolean {
  const rule = rules.find(({ range }) => range === "all" || isInRange(range, host));
  return rule === undefined || rule.action === "allow";
}

/** Whether a host, an address or `unix:`, is in a range. */
export function isInRange(range: AddressRange, host: string): boolean {
  if (range.kind === "unix") return host === UNIX;
  const address = parseIp(host);
  return address !== null && ipInRange(address, range.address, range.prefix);
}
