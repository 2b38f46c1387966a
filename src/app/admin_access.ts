/**
 * Who may ask the admin listener what.
 *
 * @module
 */
import { timingSafeEqual } from "@std/crypto/timing-safe-equal";
import { isIP } from "node:net";

/** How requests are judged. */
export interface AdminAccess {
  /** Content of `admin_token_file`, or null when there is none. */
  readonly token: string | null;
  /** Whether requests come over a Unix socket, which no browser reaches. */
  readonly unix: boolean;
}

/** Why a request is refused. */
export interface AccessRefusal {
  readonly status: 401 | 403;
  readonly text: string;
}

const encoder = new TextEncoder();

/**
 * Judges a request; null lets it pass. `open` is for what says nothing worth hiding, such as the health. Whoever can
 * make a browser on this machine send requests must get nothing: a page is known by its `Origin` or `Sec-Fetch-Site`,
 * and one that rebinds its own name to this address by the name in `Host`.
 */
export function judgeRequest(headers: Headers, access: AdminAccess, open: boolean): AccessRefusal | null {
  if (headers.has("origin") || isCrossSite(headers.get("sec-fetch-site"))) {
    return { status: 403, text: "pages of other sites get no answer here" };
  }
  if (access.token === null && !access.unix && !isOwnHost(headers.get("host"))) {
    return { status: 403, text: 'address this host as "localhost" or by an IP address' };
  }
  if (open || access.token === null || isBearer(headers.get("authorization"), access.token)) return null;
  return { status: 401, text: "the token of admin_token_file is missing or wrong" };
}

function isCrossSite(site: string | null): boolean {
  return site !== null && site !== "none" && site !== "same-origin";
}

/** HTTP/1.0 clients may leave it out; no browser does. */
function isOwnHost(host: string | null): boolean {
  if (host === null || host === "") return true;
  const name = /^(?:\[([^\]]+)\]|([^:]+))(?::\d+)?$/.exec(host);
  const plain = name?.[1] ?? name?.[2] ?? "";
  return plain.toLowerCase() === "localhost" || isIP(plain) !== 0;
}

function isBearer(header: string | null, token: string): boolean {
  const given = /^bearer +(\S+)$/i.exec(header ?? "")?.[1];
  return given !== undefined && timingSafeEqual(encoder.encode(given), encoder.encode(token));
}
