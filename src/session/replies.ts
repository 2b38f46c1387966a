/**
 * Every reply that Postern speaks in its own name, in one place. Codes and texts are nginx's (spec §2.4-2.7, §4.6)
 * wherever nginx has the reply, because clients and log scripts match on them.
 *
 * @module
 */
import { encodeLatin1 } from "../bytes/latin1.ts";
import { formatReply } from "../grammar/reply.ts";

/** A reply ready for the wire. */
export interface SpokenReply {
  readonly code: number;
  /** All lines, each ended by CRLF. */
  readonly bytes: Uint8Array;
}

/** Builds a reply from complete text; several lines are separated by CRLF. */
export function reply(text: string): SpokenReply {
  return { code: Number.parseInt(text.slice(0, 3), 10), bytes: encodeLatin1(text + "\r\n") };
}

/** Replies whose text does not depend on the configuration. */
export const REPLIES = Object.freeze({
  ok: reply("250 2.0.0 OK"),
  bye: reply("221 2.0.0 Bye"),
  startTls: reply("220 2.0.0 Start TLS"),
  authenticated: reply("235 2.0.0 OK"),
  invalidCommand: reply("500 5.5.1 Invalid command"),
  invalidArgument: reply("501 5.5.4 Invalid argument"),
  badSequence: reply("503 5.5.1 Bad sequence of commands"),
  // RFC 4954 §4 for a mechanism that is not listed; nginx says 500 or even accepts it.
  mechanismNotListed: reply("504 5.5.4 Unrecognized authentication type"),
  // RFC 4954 §4: "*" cancels, and a response that is no base64; nginx says 500 to both.
  authCancelled: reply("501 5.0.0 Authentication cancelled"),
  authUnreadable: reply("501 5.5.2 Cannot read the authentication response"),
  // RFC 4954 §4: an exchange line of more than 12288 octets.
  saslLineTooLong: reply("500 5.5.6 Authentication exchange line is too long"),
  authRequired: reply("530 5.7.1 Authentication required"),
  // RFC 3207 §4; nginx lets MAIL and RCPT through here.
  tlsRequired: reply("530 5.7.0 Must issue a STARTTLS command first"),
  // RFC 3207 §4.
  tlsUnavailable: reply("454 4.7.0 TLS not available at the moment"),
  // Postfix's text, which people search for.
  pipelining: reply("554 5.5.0 Error: SMTP protocol synchronization"),
  tooManyCommands: reply("421 4.7.0 Too many commands, closing connection"),
  notSmtp: reply("421 4.7.0 This is an SMTP server, closing connection"),
  // RFC 1870 §6.
  tooLarge: reply("552 5.3.4 Message size exceeds fixed limit"),
  earlyTalker: reply("503 5.5.0 Improper use of SMTP command pipelining"),
  internalError: reply("451 4.3.2 Internal server error"),
  // RFC 4954 §6: nothing was decided about the credentials.
  loginRefused: reply("454 4.7.0 Too many failed logins, try again later"),
  tooManyMessages: reply("450 4.7.1 Too many messages, try again later"),
  tooManyRecipients: reply("450 4.7.1 Too many recipients, try again later"),
  noCertificate: reply("421 4.7.1 No required SSL certificate"),
  badCertificate: reply("421 4.7.1 SSL certificate error"),
  challengeUsername: reply("334 VXNlcm5hbWU6"),
  challengePassword: reply("334 UGFzc3dvcmQ6"),
  challengeEmpty: reply("334 "),
});

/** Code and enhanced code of a refused login when the callout names none (spec §3.3). */
export const DEFAULT_REFUSAL_CODE = "535 5.7.0";

/** Replies that carry the server's name; built once per server. */
export interface ServerReplies {
  readonly greeting: SpokenReply;
  readonly helo: SpokenReply;
  /** EHLO while the connection is plain. */
  readonly ehloPlain: SpokenReply;
  /** EHLO inside TLS. */
  readonly ehloSecure: SpokenReply;
  /** RFC 5321 §3.8: the server says 421 before it closes on its own account. */
  readonly timeout: SpokenReply;
  readonly shutdown: SpokenReply;
  readonly tooManyConnections: SpokenReply;
  /** After failed logins. */
  readonly banned: SpokenReply;
  /** By `access`. */
  readonly denied: SpokenReply;
  /** What decides about limits cannot be asked. */
  readonly unavailable: SpokenReply;
}

/** Builds the replies that carry `serverName`; the EHLO lines come from `policy/capabilities.ts`. */
export function serverReplies(
  serverName: string,
  ehlo: { readonly plain: readonly string[]; readonly secure: readonly string[] },
): ServerReplies {
  return Object.freeze({
    greeting: reply(`220 ${serverName} ESMTP ready`),
    helo: reply(`250 ${serverName}`),
    ehloPlain: multiline(250, [serverName, ...ehlo.plain]),
    ehloSecure: multiline(250, [serverName, ...ehlo.secure]),
    timeout: reply(`421 4.4.2 ${serverName} Timeout, closing connection`),
    shutdown: reply(`421 4.3.2 ${serverName} Service shutting down`),
    tooManyConnections: reply(`421 4.7.0 ${serverName} Too many connections, try again later`),
    banned: reply(`421 4.7.0 ${serverName} Too many failed logins, try again later`),
    // RFC 5321 §3.1: 554 at the entrance says that there is no service for this client.
    denied: reply(`554 5.7.1 ${serverName} Access denied`),
    unavailable: reply(`421 4.3.2 ${serverName} Service not available, try again later`),
  });
}

function multiline(code: number, lines: readonly string[]): SpokenReply {
  return { code, bytes: formatReply(code, null, lines.join("\n")) };
}

/** What the guard of a relay says in Postern's name; built once per server. */
export interface GuardReplies {
  readonly bareNewline: SpokenReply;
  readonly nul: SpokenReply;
  readonly longLine: SpokenReply;
  readonly tooLarge: SpokenReply;
  readonly tooManyRecipients: SpokenReply;
  readonly tooManyMessages: SpokenReply;
  readonly tooManyErrors: SpokenReply;
  readonly timeout: SpokenReply;
  readonly commandTooLong: SpokenReply;
  readonly invalidCommand: SpokenReply;
  readonly invalidArgument: SpokenReply;
  readonly notImplemented: SpokenReply;
  readonly badSequence: SpokenReply;
  readonly notAuthorized: SpokenReply;
  /** The mail server is gone, or what it says makes no sense. */
  readonly upstreamLost: SpokenReply;
  readonly upstreamBroken: SpokenReply;
}

/** Builds the replies of the guard. */
export function guardReplies(serverName: string): GuardReplies {
  return Object.freeze({
    // Postfix's code for it: 521 says that the session ends, RFC 7504 §3.
    bareNewline: reply(`521 5.5.2 ${serverName} Error: CR or LF of its own received, closing connection`),
    nul: reply("550 5.6.0 Message or command with a NUL octet"),
    longLine: reply("550 5.6.0 Message with a line of more than 1000 octets"),
    tooLarge: REPLIES.tooLarge,
    tooManyRecipients: reply("452 4.5.3 Too many recipients"),
    tooManyMessages: reply(`421 4.7.0 ${serverName} Too many messages in one session, closing connection`),
    tooManyErrors: reply(`421 4.7.0 ${serverName} Too many errors, closing connection`),
    timeout: reply(`421 4.4.2 ${serverName} Timeout, closing connection`),
    commandTooLong: reply("500 5.5.2 Line too long"),
    invalidCommand: REPLIES.invalidCommand,
    invalidArgument: REPLIES.invalidArgument,
    notImplemented: reply("502 5.5.1 Command not implemented"),
    badSequence: REPLIES.badSequence,
    notAuthorized: reply("550 5.7.0 Not authorized"),
    upstreamLost: reply(`421 4.4.2 ${serverName} Lost the connection to the mail server`),
    upstreamBroken: reply(`421 4.3.0 ${serverName} The mail server sent an invalid reply`),
  });
}
