/**
 * IP addresses as octets: 4 for IPv4, 16 for IPv6.
 *
 * @module
 */

/** First octets of an IPv4-mapped IPv6 address, `::ffff:0:0/96` (RFC 4291 §2.5.5.2). */
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

const DECIMAL = /^(?:0|[1-9][0-9]{0,2})$/;
const DOT = 0x2e;
const ZERO = 0x30;
const HEXTET = /^[0-9A-Fa-f]{1,4}$/;
/** `ffff:` eight times less three, and `255.255.255.255`: nothing longer is an address. */
const LONGEST_ADDRESS = 45;
const LONGEST_IPV4 = 15;

/**
 * Addresses are pieces of one array: the runtime takes memory from the system for every array of octets of its own,
 * at ten times the price of the address in it.
 */
const SLAB_OCTETS = 4096;
let slab = new Uint8Array(SLAB_OCTETS);
let slabUsed = 0;

/**
 * Reads an address: four decimal numbers without leading zeros, or the forms of RFC 4291 §2.2. Null for all else,
 * brackets and zones included.
 */
export function parseIp(text: string): Uint8Array | null {
  if (text.length > LONGEST_ADDRESS) return null;
  return text.includes(":") ? parseIpv6(text) : parseIpv4(text);
}

/** Whether `text` is an IPv4 address as {@linkcode parseIp} reads it: the same text as {@linkcode formatIp} writes. */
export function isIpv4(text: string): boolean {
  return ipv4Number(text) >= 0;
}

function parseIpv4(text: string): Uint8Array | null {
  const number = ipv4Number(text);
  if (number < 0) return null;
  const address = newAddress(4);
  address[0] = number >>> 24;
  address[1] = number >>> 16;
  address[2] = number >>> 8;
  address[3] = number;
  return address;
}

/** The address as a number of 32 bits, or -1. */
function ipv4Number(text: string): number {
  // By hand: of every session's addresses some are read here.
  if (text.length > LONGEST_IPV4) return -1;
  let address = 0;
  let dots = 0;
  let value = 0;
  let digits = 0;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit === DOT) {
      if (digits === 0 || dots === 3) return -1;
      address = address * 256 + value;
      dots++;
      value = 0;
      digits = 0;
      continue;
    }
    const digit = unit - ZERO;
    // A number may be 0, but not begin with it.
    if (digit < 0 || digit > 9 || (digits > 0 && value === 0)) return -1;
    value = value * 10 + digit;
    if (value > 255) return -1;
    digits++;
  }
  return digits === 0 || dots !== 3 ? -1 : address * 256 + value;
}

/** Zeros for an address. */
function newAddress(octets: 4 | 16): Uint8Array {
  if (slabUsed + octets > slab.length) {
    slab = new Uint8Array(SLAB_OCTETS);
    slabUsed = 0;
  }
  slabUsed += octets;
  return slab.subarray(slabUsed - octets, slabUsed);
}

function parseIpv6(text: string): Uint8Array | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const last = halves.length - 1;
  const head = parseGroups(halves[0] ?? "", last === 0);
  const tail = last === 0 ? [] : parseGroups(halves[1] ?? "", true);
  if (head === null || tail === null) return null;
  const octets = head.length + tail.length;
  // "::" stands for at least one group of zeros.
  if (last === 0 ? octets !== 16 : octets > 14) return null;
  const address = newAddress(16);
  address.set(head, 0);
  address.set(tail, 16 - tail.length);
  return address;
}

/** Octets of groups with single colons between them; the last may be an IPv4 address where `last` says so. */
function parseGroups(text: string, last: boolean): number[] | null {
  const octets: number[] = [];
  if (text === "") return octets;
  const groups = text.split(":");
  for (const [i, group] of groups.entries()) {
    if (HEXTET.test(group)) {
      const value = parseInt(group, 16);
      octets.push(value >> 8, value & 0xff);
      continue;
    }
    const number = last && i === groups.length - 1 ? ipv4Number(group) : -1;
    if (number < 0) return null;
    octets.push(number >>> 24, (number >>> 16) & 0xff, (number >>> 8) & 0xff, number & 0xff);
  }
  return octets;
}

/**
 * Writes an address as RFC 5952 has it; an IPv4-mapped one ends in dotted form (§5).
 * @throws {RangeError} unless there are 4 or 16 octets.
 */
export function formatIp(address: Uint8Array): string {
  if (address.length === 4) return `${address[0]}.${address[1]}.${address[2]}.${address[3]}`;
  if (address.length !== 16) throw new RangeError(`Cannot format IP address: ${address.length} octets`);
  if (isMapped(address)) return `::ffff:${address.subarray(12).join(".")}`;
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) {
    groups.push((((address[i] ?? 0) << 8) | (address[i + 1] ?? 0)).toString(16));
  }
  const zeros = longestZeroRun(groups);
  if (zeros === null) return groups.join(":");
  return `${groups.slice(0, zeros.start).join(":")}::${groups.slice(zeros.end).join(":")}`;
}

/** The first of the longest runs of two or more zero groups (RFC 5952 §4.2), or null. */
function longestZeroRun(groups: readonly string[]): { start: number; end: number } | null {
  let best: { start: number; end: number } | null = null;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === "0") end++;
    const longest = best === null ? 1 : best.end - best.start;
    if (end - start > longest) best = { start, end };
  }
  return best;
}

function isMapped(address: Uint8Array): boolean {
  return address.length === 16 && MAPPED_PREFIX.every((octet, i) => address[i] === octet);
}

/** The 4 octets inside an IPv4-mapped IPv6 address; every other address as it is. */
export function unmapIpv4(address: Uint8Array): Uint8Array {
  return isMapped(address) ? address.slice(12) : address;
}

/** The IPv4-mapped IPv6 address for 4 octets; every other address as it is. */
export function mapIpv4(address: Uint8Array): Uint8Array {
  return address.length === 4 ? new Uint8Array([...MAPPED_PREFIX, ...address]) : address;
}

/** Reads `ADDRESS` or `ADDRESS/PREFIX`, prefix in bits; null for all else. Bits behind the prefix are kept. */
export function parseCidr(text: string): { address: Uint8Array; prefix: number } | null {
  const slash = text.indexOf("/");
  const address = parseIp(slash < 0 ? text : text.slice(0, slash));
  if (address === null) return null;
  const bits = address.length * 8;
  if (slash < 0) return { address, prefix: bits };
  const prefix = text.slice(slash + 1);
  if (!DECIMAL.test(prefix) || Number(prefix) > bits) return null;
  return { address, prefix: Number(prefix) };
}

/** Whether the first `prefix` bits of both agree. An IPv4-mapped address counts as the IPv4 address in it. */
export function ipInRange(address: Uint8Array, rangeAddress: Uint8Array, prefix: number): boolean {
  const subject = unmapIpv4(address);
  const mappedRange = prefix >= 96 && isMapped(rangeAddress);
  const range = mappedRange ? unmapIpv4(rangeAddress) : rangeAddress;
  const bits = mappedRange ? prefix - 96 : prefix;
  if (subject.length !== range.length) return false;
  for (let i = 0; i * 8 < bits; i++) {
    const ignored = Math.max(0, 8 - (bits - i * 8));
    if ((subject[i] ?? 0) >> ignored !== (range[i] ?? 0) >> ignored) return false;
  }
  return true;
}

/** Whether the address is of 127.0.0.0/8 (RFC 1122 §3.2.1.3), also IPv4-mapped, or `::1`. */
export function isLoopback(address: Uint8Array): boolean {
  const unmapped = unmapIpv4(address);
  if (unmapped.length === 4) return unmapped[0] === 127;
  return unmapped.every((octet, i) => octet === (i === 15 ? 1 : 0));
}
