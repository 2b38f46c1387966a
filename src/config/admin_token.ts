/** The secret of the admin listener. */

/** Shorter ones can be guessed. */
const LEAST = 16;

/** The token of a file that holds nothing else, or what is wrong with it. */
export function readAdminToken(text: string): { readonly token: string } | { readonly fault: string } {
  const token = text.trim();
  if (!/^[!-~]*$/.test(token)) return { fault: "it must be one line of visible ASCII characters" };
  if (token.length < LEAST) return { fault: `it must have at least ${LEAST} characters` };
  return { token };
}
