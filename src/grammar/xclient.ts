/**
 * The XCLIENT command of Postfix (its XCLIENT_README): tells a mail server who our client is.
 *
 * @module
 */
import { formatIp, parseIp } from "../bytes/ip_address.ts";
import { encodeXtext } from "../bytes/xtext.ts";

/** What is known of the client. All text is byte strings. */
export interface XclientAttributes {
  /** Client's address; anything but an IP address (`unix:`) is sent as `[UNAVAILABLE]`. */
  readonly addr: string;
  readonly port: number;
  /** Client's host name, or `[UNAVAILABLE]` / `[TEMPUNAVAIL]` (spec §2.8). */
  readonly name: string;
  /** Login, or null. */
  readonly login: string | null;
  /** Argument of the client's HELO or EHLO, or null. */
  readonly helo: string | null;
  readonly proto: "SMTP" | "ESMTP";
  /** Address the client connected to. */
  readonly destaddr: string;
  readonly destport: number;
}

const UNAVAILABLE = "[UNAVAILABLE]";

/** RFC 5321 §4.5.3.1.4 without the CRLF. */
const MAX_LINE_OCTETS = 510;
/** Postfix refuses the command when a NAME or HELO is longer. */
const MAX_NAME_OCTETS = 255;

/**
 * The commands, without CRLF, that say what the server knows how to hear. `advertised` has the names of attributes
 * in upper case. Each line fits into 512 octets; ADDR comes last in the last line, since the server may judge who
 * is allowed to send XCLIENT by the address it has been told. A value too long for a line (or for Postfix, 255
 * octets of NAME or HELO) is left out: cut it would be another name, and sent it would fail the session.
 */
export function formatXclient(
  attributes: XclientAttributes,
  advertised: ReadonlySet<string>,
): readonly string[] {
  const lines: string[] = [];
  let line = "XCLIENT";
  for (const [name, value] of listAttributes(attributes)) {
    const attribute = ` ${name}=${value}`;
    if (!advertised.has(name) || "XCLIENT".length + attribute.length > MAX_LINE_OCTETS) continue;
    if (line.length + attribute.length > MAX_LINE_OCTETS) {
      lines.push(line);
      line = "XCLIENT";
    }
    line += attribute;
  }
  if (line !== "XCLIENT") lines.push(line);
  return lines;
}

/** Names and encoded values, in the order in which they are sent. */
function listAttributes(attributes: XclientAttributes): [name: string, value: string][] {
  const { name, login, helo } = attributes;
  const client = formatAddress(attributes.addr);
  const server = formatAddress(attributes.destaddr);
  const list: [string, string][] = [];
  if (name.length <= MAX_NAME_OCTETS) list.push(["NAME", encodeXtext(name === "" ? UNAVAILABLE : name)]);
  list.push(["PORT", client === null ? UNAVAILABLE : `${attributes.port}`]);
  list.push(["PROTO", attributes.proto]);
  if (helo === null || helo === "") list.push(["HELO", UNAVAILABLE]);
  else if (helo.length <= MAX_NAME_OCTETS) list.push(["HELO", encodeXtext(helo)]);
  if (login !== null && login !== "") list.push(["LOGIN", encodeXtext(login)]);
  list.push(["DESTADDR", server ?? UNAVAILABLE]);
  list.push(["DESTPORT", server === null ? UNAVAILABLE : `${attributes.destport}`]);
  list.push(["ADDR", client ?? UNAVAILABLE]);
  return list;
}

/** `1.2.3.4`, `IPV6:2001:db8::1`, or null for what is no IP address. */
function formatAddress(text: string): string | null {
  const address = parseIp(text);
  if (address === null) return null;
  return address.length === 4 ? formatIp(address) : `IPV6:${formatIp(address)}`;
}

/**
 * The command as nginx sends it, without CRLF (spec §4.3). `login` is null or empty where nginx sends none. A Unix
 * client has the address `unix:`, which nginx sends too.
 */
export function formatNginxXclient(client: { addr: string; login: string | null; name: string }): string {
  const prefix = parseIp(client.addr)?.length === 16 ? "IPV6:" : "";
  const login = client.login === null || client.login === "" ? "" : ` LOGIN=${encodeXtext(client.login)}`;
  // nginx writes address and name as they are; for valid ones xtext changes nothing.
  return `XCLIENT ADDR=${prefix}${encodeXtext(client.addr)}${login} NAME=${encodeXtext(client.name)}`;
}
