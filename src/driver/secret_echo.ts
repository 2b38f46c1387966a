/** A match of this many octets is no accident. */
const PART_OCTETS = 8;
/** Secrets shorter than this are in half of all texts. */
const LEAST_OCTETS = 4;

/** Instead of what a peer said. */
export const REPEATED = "not shown because it repeats the credentials";

/** What an auth service said, unless it repeats `secret`, as the service was told it in percent escapes or without. */
export function withoutSecret(text: string, secret: string): string {
  const plain = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
  return repeatsSecret(text, [secret]) || repeatsSecret(plain, [secret]) ? REPEATED : text;
}

/**
 * Whether `text` repeats a part of one of `secrets`, in any case. Mail servers that do not know a command like to
 * quote it, and the password in it.
 */
export function repeatsSecret(text: string, secrets: readonly string[]): boolean {
  const heard = text.toLowerCase();
  return secrets.some((secret) => {
    const said = secret.toLowerCase();
    if (said.length < LEAST_OCTETS) return false;
    if (said.length <= PART_OCTETS) return heard.includes(said);
    for (let at = 0; at + PART_OCTETS <= heard.length; at++) {
      if (said.includes(heard.slice(at, at + PART_OCTETS))) return true;
    }
    return false;
  });
}
