/** Rules about the listeners of all servers together. */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { parseIp } from "../bytes/ip_address.ts";
import type { SocketAddress } from "../ports/transport.ts";

import type { ListenEntry } from "./listen.ts";
import type { Place, ProblemList } from "./problem.ts";

/** Where `admin_listen` stands and what it says. */
export interface AdminListen {
  readonly at: Place;
  readonly address: SocketAddress;
}

/** Reports two listeners on one address, that of `admin_listen` too, and `ipv6only` where it cannot be had. */
export function checkListeners(
  entries: readonly ListenEntry[],
  admin: AdminListen | null,
  problems: ProblemList,
): void {
  const first = new Map<string, ListenEntry>();
  for (const entry of entries) {
    const { address, text } = entry.settings;
    // The system chooses another port for each listener on port 0.
    if (address.kind === "tcp" && address.port === 0) continue;
    const other = first.get(text);
    if (other === undefined) first.set(text, entry);
    else {problems.add(
        entry.at,
        "conflict",
        `duplicate "${text}" address and port pair: line ${other.at.line} has it already`,
      );}
  }
  for (const entry of entries) checkIpv6Only(entry, first, problems);
  if (admin === null || admin.address.kind === "tcp" && admin.address.port === 0) return;
  const text = formatSocketAddress(admin.address);
  const taken = first.get(text);
  if (taken === undefined) return;
  problems.add(admin.at, "conflict", `"${text}" is an address for mail: line ${taken.at.line} has it`);
}

function checkIpv6Only(
  entry: ListenEntry,
  listeners: ReadonlyMap<string, ListenEntry>,
  problems: ProblemList,
): void {
  const { address } = entry.settings;
  // Of all IPv6 addresses only [::] can take IPv4.
  if (entry.ipv6only === null || address.kind !== "tcp" || !isUnspecifiedIpv6(address.host)) return;
  const ipv4 = listeners.get(`0.0.0.0:${address.port}`);
  if (entry.ipv6only && ipv4 === undefined) {
    const message = "ipv6only=on cannot be honoured: the runtime opens [::] for IPv4 too; a listener on " +
      `"0.0.0.0:${address.port}" takes IPv4 away from it`;
    problems.add(entry.at, "unsupported", message);
  } else if (!entry.ipv6only && ipv4 !== undefined) {
    const message =
      `ipv6only=off conflicts with "0.0.0.0:${address.port}" in line ${ipv4.at.line}: both would take IPv4`;
    problems.add(entry.at, "conflict", message);
  }
}

function isUnspecifiedIpv6(host: string): boolean {
  const address = parseIp(host);
  return address?.length === 16 && address.every((octet) => octet === 0);
}
