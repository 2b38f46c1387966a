/**
 * Messages of SASL mechanisms, as byte strings that are already out of (or not yet in) base64.
 *
 * @module
 */

const NUL = "\0";
/** `kvsep` of RFC 7628 §3.1. */
const KVSEP = "\x01";
/** Hexadecimal MD5 (RFC 2195). */
const CRAM_MD5_DIGEST_OCTETS = 32;

/** `auth` of XOAUTH2 and OAUTHBEARER: the scheme in any case (RFC 9110 §11.1), then what a token may consist of. */
const BEARER = /^bearer +([\x21-\x7e]+)$/i;
/** `kvpair` without its end (RFC 7628 §3.1). */
const KVPAIR = /^([A-Za-z]+)=([\t\n\r\x20-\x7e]*)$/;
/** `gs2-header` without `p=` channel binding and without `F` (RFC 5801 §4); the group is the `saslname`. */
const GS2_HEADER = /^[ny],(?:a=((?:[^\0,=]|=2C|=3D)*))?,$/;

/**
 * Reads a PLAIN message (RFC 4616 §2). The authorization identity is dropped, the password may hold NUL (spec
 * §2.4.2). Null when one of the two NULs is missing.
 */
export function parsePlain(decoded: string): { user: string; secret: string } | null {
  const first = decoded.indexOf(NUL);
  const second = first < 0 ? -1 : decoded.indexOf(NUL, first + 1);
  if (second < 0) return null;
  return { user: decoded.slice(first + 1, second), secret: decoded.slice(second + 1) };
}

/**
 * Reads a CRAM-MD5 response (RFC 2195 §2): split at the first space, the digest has 32 octets, which need not be
 * hexadecimal (spec §2.4.2). Null for all else.
 */
export function parseCramMd5(decoded: string): { user: string; digest: string } | null {
  const space = decoded.indexOf(" ");
  if (space < 0 || decoded.length - space - 1 !== CRAM_MD5_DIGEST_OCTETS) return null;
  return { user: decoded.slice(0, space), digest: decoded.slice(space + 1) };
}

/** Reads `user=…^Aauth=Bearer …^A^A` (Google's XOAUTH2). Null for all else. */
export function parseXoauth2(decoded: string): { user: string; token: string } | null {
  const parts = decoded.split(KVSEP, 5);
  const [user, auth, rest, end] = parts;
  if (parts.length !== 4 || rest !== "" || end !== "") return null;
  if (user === undefined || !user.startsWith("user=") || user.includes(NUL)) return null;
  const token = auth?.startsWith("auth=") ? parseBearer(auth.slice("auth=".length)) : null;
  return token === null ? null : { user: user.slice("user=".length), token };
}

/**
 * Reads an OAUTHBEARER message (RFC 7628 §3.1). The user is empty where the client names none. Null for channel
 * binding, for anything but one bearer token, and for syntax errors.
 */
export function parseOauthbearer(decoded: string): { user: string; token: string } | null {
  const headerEnd = decoded.indexOf(KVSEP);
  const header = headerEnd < 0 ? null : GS2_HEADER.exec(decoded.slice(0, headerEnd));
  if (header === null || !decoded.endsWith(KVSEP + KVSEP)) return null;
  const pairs = decoded.slice(headerEnd + 1, -2).split(KVSEP);
  let token: string | null = null;
  for (const pair of pairs) {
    const [, key, value] = KVPAIR.exec(pair) ?? [];
    if (key === undefined || value === undefined) return null;
    if (key !== "auth") continue;
    const given = parseBearer(value);
    if (given === null || token !== null) return null;
    token = given;
  }
  return token === null ? null : { user: decodeSaslName(header[1] ?? ""), token };
}

function parseBearer(value: string): string | null {
  return BEARER.exec(value)?.[1] ?? null;
}

/** `saslname` of RFC 5801 §4: the comma and the equals sign are written as `=2C` and `=3D`. */
function decodeSaslName(name: string): string {
  return name.replace(/=2C/g, ",").replace(/=3D/g, "=");
}

function encodeSaslName(name: string): string {
  return name.replace(/=/g, "=3D").replace(/,/g, "=2C");
}

/**
 * Writes a PLAIN message (RFC 4616 §2). Null when the user holds NUL: the server would see another user with
 * another password.
 */
export function formatPlain(user: string, secret: string): string | null {
  return user.includes(NUL) ? null : `${NUL}${user}${NUL}${secret}`;
}

/** Writes an XOAUTH2 message; null when the user or the token holds octets that would end it early. */
export function formatXoauth2(user: string, token: string): string | null {
  if (user.includes(KVSEP) || user.includes(NUL) || !isToken(token)) return null;
  return `user=${user}${KVSEP}auth=Bearer ${token}${KVSEP}${KVSEP}`;
}

/**
 * Writes an OAUTHBEARER message (RFC 7628 §3.1) with the host and port of the server it is for; null when a value
 * holds octets that would end it early.
 */
export function formatOauthbearer(user: string, token: string, host: string, port: number): string | null {
  if (user.includes(KVSEP) || user.includes(NUL) || !isToken(token) || !isToken(host)) return null;
  const authorization = user === "" ? "" : `a=${encodeSaslName(user)}`;
  const pairs = [`n,${authorization},`, `host=${host}`, `port=${port}`, `auth=Bearer ${token}`];
  return pairs.join(KVSEP) + KVSEP + KVSEP;
}

/** Whether the text is `1*VCHAR`: a token, or a host, cannot end the pair it stands in. */
function isToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text);
}
