/**
 * The SASL exchange behind AUTH (RFC 4954 §4, spec §2.4.2): from the command to credentials, one line at a time.
 *
 * @module
 */
import { decodeBase64, encodeBase64 } from "../bytes/base64.ts";
import { parseCramMd5, parseOauthbearer, parsePlain, parseXoauth2 } from "../grammar/sasl.ts";
import { REPLIES, reply, type SpokenReply } from "./replies.ts";

/** What an exchange waits for. */
export type Exchange =
  | { readonly mechanism: "login"; readonly user: string | null }
  | { readonly mechanism: "plain" | "external" | "xoauth2" | "oauthbearer" }
  | { readonly mechanism: "cram-md5"; readonly salt: string };

/** What the client proved or claimed; LOGIN is reported as `plain`, as nginx does. */
export interface Credentials {
  readonly method: "plain" | "cram-md5" | "external" | "xoauth2" | "oauthbearer";
  readonly user: string;
  readonly secret: string;
  readonly salt: string | null;
}

export type ExchangeStep =
  | { readonly kind: "challenge"; readonly exchange: Exchange; readonly reply: SpokenReply }
  | { readonly kind: "done"; readonly credentials: Credentials }
  /** `message` is for the log, in nginx's words; `arguments`: the command itself was wrong. */
  | { readonly kind: "failed"; readonly message: string; readonly why: "arguments" | "unreadable" };

/**
 * Begins the exchange of a listed mechanism (lower case). `initial` is the initial response in base64, or null.
 */
export function beginExchange(method: string, initial: string | null, newSalt: () => string): ExchangeStep {
  switch (method) {
    case "login":
      if (initial === null) return challenge({ mechanism: "login", user: null }, REPLIES.challengeUsername);
      return continueExchange({ mechanism: "login", user: null }, initial);
    case "cram-md5": {
      // CRAM-MD5 has no initial response (RFC 2195 §2); nginx refuses one, and so the exchange fails here.
      if (initial !== null) {
        return failed("client sent invalid CRAM-MD5 hash in AUTH CRAM-MD5 command", "arguments");
      }
      const salt = newSalt();
      return challenge({ mechanism: "cram-md5", salt }, reply(`334 ${encodeBase64(salt)}`));
    }
    case "external":
      // A prompt instead of an empty challenge: nginx's clients know it so (spec §2.4.2).
      if (initial === null) return challenge({ mechanism: "external" }, REPLIES.challengeUsername);
      return continueExchange({ mechanism: "external" }, initial);
    case "plain":
    case "xoauth2":
    case "oauthbearer":
      if (initial === null) return challenge({ mechanism: method }, REPLIES.challengeEmpty);
      return continueExchange({ mechanism: method }, initial);
    default:
      throw new TypeError(`Cannot begin a SASL exchange: unknown mechanism "${method}"`);
  }
}

/** Takes the client's next response, still in base64. */
export function continueExchange(exchange: Exchange, response: string): ExchangeStep {
  const decoded = decodeBase64(response);
  if (decoded === null) {
    return failed(`client sent invalid base64 encoding in AUTH ${exchange.mechanism.toUpperCase()} command`);
  }
  switch (exchange.mechanism) {
    case "login":
      if (exchange.user === null) {
        return challenge({ mechanism: "login", user: decoded }, REPLIES.challengePassword);
      }
      return done("plain", exchange.user, decoded);
    case "plain": {
      const plain = parsePlain(decoded);
      return plain === null
        ? failed(`client sent invalid ${decoded.includes("\0") ? "password" : "login"} in AUTH PLAIN command`)
        : done("plain", plain.user, plain.secret);
    }
    case "external":
      return done("external", decoded, "");
    case "cram-md5": {
      const cram = parseCramMd5(decoded);
      return cram === null
        ? failed("client sent invalid CRAM-MD5 hash in AUTH CRAM-MD5 command")
        : done("cram-md5", cram.user, cram.digest, exchange.salt);
    }
    case "xoauth2": {
      const bearer = parseXoauth2(decoded);
      return bearer === null
        ? failed("client sent invalid response in AUTH XOAUTH2 command")
        : done("xoauth2", bearer.user, bearer.token);
    }
    case "oauthbearer": {
      const bearer = parseOauthbearer(decoded);
      return bearer === null
        ? failed("client sent invalid response in AUTH OAUTHBEARER command")
        : done("oauthbearer", bearer.user, bearer.token);
    }
  }
}

function challenge(exchange: Exchange, spoken: SpokenReply): ExchangeStep {
  return { kind: "challenge", exchange, reply: spoken };
}

function failed(message: string, why: "arguments" | "unreadable" = "unreadable"): ExchangeStep {
  return { kind: "failed", message, why };
}

function done(
  method: Credentials["method"],
  user: string,
  secret: string,
  salt: string | null = null,
): ExchangeStep {
  return { kind: "done", credentials: { method, user, secret, salt } };
}
