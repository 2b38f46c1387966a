/**
 * Names of header fields, recognized in octets.
 *
 * @module
 */
import { encodeLatin1 } from "../bytes/latin1.ts";

/** Octets of a token (RFC 9110 §5.6.2), of which names are made. */
const isTokenOctet = new Uint8Array(256);
for (const char of "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") {
  isTokenOctet[char.charCodeAt(0)] = 1;
}

/** Index of the first octet from `start` on, before `end`, that can be no part of a name. */
export function nameEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isTokenOctet[bytes[at]!] === 1) at++;
  return at;
}

/**
 * The names that somebody asks for. Most fields of a response are none of them, and no string is made of their names.
 */
export class HeaderNames {
  /** By length, which leaves one to four to compare. */
  readonly #byLength: { readonly name: string; readonly octets: Uint8Array }[][] = [];

  /** `names` are in lower case and have no characters but letters and `-`. */
  constructor(names: readonly string[]) {
    for (const name of names) {
      (this.#byLength[name.length] ??= []).push({ name, octets: encodeLatin1(name) });
    }
  }

  /** The name that the token in `bytes` from `start` to before `end` is, in any case, or null. */
  find(bytes: Uint8Array, start: number, end: number): string | null {
    const candidates = this.#byLength[end - start];
    if (candidates === undefined) return null;
    for (let i = 0; i < candidates.length; i++) {
      const { name, octets } = candidates[i]!;
      if (isSame(octets, bytes, start)) return name;
    }
    return null;
  }
}

/** From the end on, as nearly all begin with `auth-`. */
function isSame(name: Uint8Array, bytes: Uint8Array, start: number): boolean {
  let at = name.length;
  // 0x20 makes a letter small; of the octets of a token it makes no other one a letter or "-".
  while (at > 0 && (bytes[start + at - 1]! | 0x20) === name[at - 1]) at--;
  return at === 0;
}
