/** How long a client that has signed in is known, milliseconds. */
export const KNOWN_MS = 7 * 86_400_000;

/** The first two words of a key: what is counted, and by what; from a closed set. */
export function familyOf(key: string): string {
  return key.slice(0, key.indexOf(" ", key.indexOf(" ") + 1));
}
