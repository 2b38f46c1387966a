/**
 * The guard of a relay: follows what a client and its mail server say to each other, and lets nothing past that it
 * does not understand.
 *
 * Theory of operation. Client and mail server are one machine: what a client's octets mean depends on the mail
 * server's replies (after DATA comes content or a command), and where a reply of Postern's own belongs depends on the
 * replies that are still awaited. So there is one queue, with a place for each command that was passed on and for
 * each reply that Postern gives itself; replies of the mail server take the first place, and Postern's own go out
 * when they stand there. {@linkcode RelayGuard.fromClient} and {@linkcode RelayGuard.fromUpstream} read octets where
 * they lie and append what is to be written to `toUpstream` and `toClient`, which are parts of what they were given
 * wherever nothing had to be changed; who calls them writes all of it before the octets are used for anything else.
 * There is no clock: time comes with the octets.
 *
 * Nothing is accepted that the mail server has not accepted: when a message is refused in the middle, its mail server
 * is cut off before the end of the data (`cut`), and the session ends.
 *
 * @module
 */
import { decodeLatin1, encodeLatin1, partOf } from "../bytes/latin1.ts";
import { DataFramer } from "../grammar/data_framer.ts";
import { type Capabilities, parseEhlo } from "../grammar/ehlo.ts";
import { formatReply } from "../grammar/reply.ts";
import { lineFeedIn } from "../grammar/reply_lines.ts";
import {
  readBdat,
  readForwardPath,
  readMail,
  type RelayedVerb,
  relayedVerb,
  withoutSize,
} from "../grammar/relayed_command.ts";
import type { Admission } from "../ports/admission.ts";
import type { GuardRefusal, MessageRecord } from "../ports/telemetry.ts";
import type { ContentRefusal, GuardNote, GuardQuestion, GuardRules, GuardStart } from "./guard_rules.ts";
import { HeldLine } from "./held_line.ts";
import { toldReply, Transaction } from "./relay_transaction.ts";
import { type GuardReplies, reply as spokenReply, type SpokenReply } from "./replies.ts";
import {
  type Awaited,
  type HeardReply,
  type ReplyListener,
  ReplyOrder,
  type UpstreamFaultCode,
} from "./reply_order.ts";

const CR = 0x0d;
const NUL = 0x00;
/** Replies awaited at a time: a client that pipelines more waits. */
const MAX_AWAITED = 1_000;
/** After a message was refused, so many more octets of it are read before the client is told all the same. */
const MAX_SKIPPED_OCTETS = 64 * 1024 * 1024;
/** Commands that Postern refuses itself in one session: the mail server, which would have enough, hears none of them. */
const MAX_REFUSALS = 1_000;

/** What the client's next octets are. */
type Mode =
  | "command"
  | "data_asked" // DATA was passed on: the reply decides
  | "reset_asked" // what may end the open transaction was passed on: the reply says which one goes on
  | "data"
  | "chunk" // of BDAT
  | "skip" // the rest of a message that was refused
  | "deaf"; // nothing any more

const CONTENT_REPLIES: Readonly<Record<ContentRefusal, keyof GuardReplies>> = {
  bare_newline: "bareNewline",
  smuggling: "bareNewline",
  nul: "nul",
  line_too_long: "longLine",
  message_too_large: "tooLarge",
  data_timeout: "timeout",
  data_too_slow: "timeout",
};

/** One relay. */
export class RelayGuard implements ReplyListener {
  /** What is to be written to the mail server, and to the client, in order. */
  readonly toUpstream: Uint8Array[] = [];
  readonly toClient: Uint8Array[];
  readonly notes: GuardNote[] = [];
  /** What has to be answered by {@linkcode answer} before the client's next command is looked at. */
  question: GuardQuestion | null = null;

  readonly #rules: GuardRules;
  readonly #asks: boolean;
  readonly #framer: DataFramer;
  readonly #replies: ReplyOrder;
  readonly #command: HeldLine;
  #offered: Capabilities;
  #mode: Mode = "command";
  /** The mode behind the command that is being read. */
  #begins: Mode | null = null;
  #transaction: Transaction | null = null;
  #transactions = 0;
  #messages = 0;
  /** The command that {@linkcode question} is about. */
  #suspended: Uint8Array | null = null;
  #chunkLeft = 0;
  #chunkPasses = false;
  /** The transaction whose last chunk is under way. */
  #lastChunkOf: Transaction | null = null;
  #skipped = 0;
  #skipReply: SpokenReply | null = null;
  #lastWord: SpokenReply | null = null;
  #now: number;
  #cut = false;
  #over = false;
  #refused: GuardRefusal | null = null;
  #errors = 0;
  #refusals = 0;
  #drained = false;
  #deserted = false;
  #upstreamFailed = false;
  #clientEnded = false;
  #parting: "asked" | "granted" | null = null;

  constructor(rules: GuardRules, start: GuardStart, now: number) {
    this.#rules = rules;
    this.#asks = start.asks;
    this.#offered = start.offered;
    this.#framer = new DataFramer(rules.data);
    this.#replies = new ReplyOrder(this, rules.replyOctets);
    this.toClient = this.#replies.out;
    this.#command = new HeldLine(rules.commandOctets);
    this.#now = now;
    if (start.envelope !== null) {
      const { mail, rcptCode } = start.envelope;
      const transaction = new Transaction(++this.#transactions, readMail(mail).path, now, null);
      if (rcptCode < 300) transaction.accepted = 1;
      else transaction.refused = 1;
      this.#replies.lastCode = rcptCode;
      this.#transaction = transaction;
      this.#messages = 1;
    }
  }

  /** Whether the mail server is to be cut off now, before anything more is written to it. */
  get cut(): boolean {
    return this.#cut;
  }

  /** Whether the session ends once `toClient` is written. */
  get over(): boolean {
    return this.#over;
  }

  /** Why the guard ended the session, or null. */
  get refused(): GuardRefusal | null {
    return this.#refused;
  }

  /** Whether {@linkcode drain} ended the session. */
  get drained(): boolean {
    return this.#drained;
  }

  /** Whether the mail server went away, without saying why, while something waited for its reply. */
  get deserted(): boolean {
    return this.#deserted;
  }

  /** Whether the session ended over what the mail server said. */
  get upstreamFailed(): boolean {
    return this.#upstreamFailed;
  }

  /**
   * A client that said QUIT when it had all its replies, and nothing before or behind it: `granted` when its mail
   * server's 221 is in `toClient`. Null for all others.
   */
  get parting(): "asked" | "granted" | null {
    return this.#parting;
  }

  /** Whether octets of the client's have to wait: for a reply of the mail server, or for an answer. */
  get blocked(): boolean {
    return this.question !== null || this.#mode === "data_asked" || this.#mode === "reset_asked" ||
      this.#mode === "command" && this.#full;
  }

  /** Whether the client sends the content of a message. */
  get receiving(): boolean {
    return this.#mode === "data" || this.#mode === "chunk" || this.#mode === "skip";
  }

  /** Whether a transaction is open, or a reply is awaited. */
  get inFlight(): boolean {
    return this.#transaction !== null || this.#replies.length > 0 || this.question !== null || this.receiving;
  }

  /** A server that does not offer PIPELINING gets one command at a time, whatever Postern announces. */
  get #full(): boolean {
    const { length } = this.#replies;
    return length >= MAX_AWAITED || length > 0 && !this.#offered.has("PIPELINING");
  }

  // The client ----------------------------------------------------------------------------------------------------

  /**
   * Reads what the client sent, from `at` on. It stops where it is {@linkcode blocked}.
   * @returns the index of the first octet that was not read.
   */
  fromClient(chunk: Uint8Array, at: number, now: number): number {
    this.#now = now;
    let next = at;
    while (next < chunk.length && !this.blocked) {
      switch (this.#mode) {
        case "command":
          next = this.#readCommands(chunk, next);
          break;
        case "data":
          next = this.#readData(chunk, next);
          break;
        case "chunk":
          next = this.#readChunk(chunk, next);
          break;
        case "skip":
          next = this.#readSkipped(chunk, next);
          break;
        default:
          this.#parting = null;
          next = chunk.length;
      }
    }
    return next;
  }

  /** Reads command lines; a run of those that pass goes on in one piece. */
  #readCommands(chunk: Uint8Array, at: number): number {
    let from = at;
    let next = at;
    while (next < chunk.length && this.#mode === "command" && !this.blocked) {
      const lineFeed = lineFeedIn(chunk, next, chunk.length);
      const end = lineFeed < 0 ? chunk.length : lineFeed + 1;
      if (lineFeed >= 0 && this.#command.length === 0 && end - next <= this.#rules.commandOctets) {
        const passes = this.#readCommand(chunk, next, lineFeed);
        if (passes !== true) {
          if (next > from) this.toUpstream.push(partOf(chunk, from, next));
          if (passes !== false) this.toUpstream.push(passes);
          from = end;
        }
        this.#obeyed();
      } else {
        if (next > from) this.toUpstream.push(partOf(chunk, from, next));
        from = end;
        if (!this.#command.add(chunk, next, end)) {
          this.#refuse("line_too_long", this.#rules.replies.commandTooLong, "other", true);
        } else if (lineFeed >= 0) {
          const line = this.#command.take();
          const passes = this.#readCommand(line, 0, line.length - 1);
          if (passes !== false) this.toUpstream.push(passes === true ? line : passes);
          this.#obeyed();
        }
      }
      next = end;
    }
    if (next > from) this.toUpstream.push(partOf(chunk, from, next));
    return next;
  }

  #obeyed(): void {
    if (this.#begins === null) return;
    this.#mode = this.#begins;
    this.#begins = null;
  }

  /** Whether the line goes on as it is; else what goes on instead, or false for nothing. */
  #readCommand(bytes: Uint8Array, start: number, lineFeed: number): boolean | Uint8Array {
    const { data, replies } = this.#rules;
    const terminated = lineFeed > start && bytes[lineFeed - 1] === CR;
    const end = terminated ? lineFeed - 1 : lineFeed;
    let bare = false;
    let nul = false;
    for (let at = start; at < end; at++) {
      const octet = bytes[at]!;
      if (octet > CR) continue;
      if (octet === CR) bare = true;
      else if (octet === NUL) nul = true;
    }
    // First, as it ends the session: what follows a bare LF is not to be read as a command.
    if ((bare || !terminated) && data.bareNewline === "reject") {
      return this.#refuse("bare_newline", replies.bareNewline, "other", true);
    }
    if (nul && data.nul === "reject") return this.#refuse("nul", replies.nul, "other");
    // It would be one command to some servers, and two to others.
    if (bare) return this.#refuse("bare_newline", replies.invalidCommand, "other");
    const passes = this.#obey(relayedVerb(bytes, start, end), bytes, start, end);
    if (passes !== true || terminated) return passes;
    // Every mail server must see the end of the command where it was seen here.
    return encodeLatin1(decodeLatin1(bytes, start, end) + "\r\n");
  }

  #obey(verb: RelayedVerb, bytes: Uint8Array, start: number, end: number): boolean | Uint8Array {
    const { replies } = this.#rules;
    switch (verb) {
      case "RCPT":
        return this.#rcpt(bytes, start, end);
      case "MAIL":
        return this.#mail(decodeLatin1(bytes, start, end));
      case "DATA":
        if (this.#transaction?.broken) return this.#refuse("command", replies.badSequence, verb);
        this.#begins = "data_asked";
        this.#replies.await(verb, this.#transaction);
        return true;
      case "BDAT":
        return this.#bdat(decodeLatin1(bytes, start, end));
      case "RSET":
      case "EHLO":
      case "HELO":
        // RFC 5321 §4.1.4: EHLO ends a transaction, too; but none does when it is refused.
        this.#replies.await(verb, this.#transaction);
        if (this.#transaction !== null) this.#begins = "reset_asked";
        return true;
      case "QUIT":
        this.#begins = "deaf";
        if (start === 0 && this.#replies.length === 0) this.#parting = "asked";
        this.#replies.await(verb, this.#transaction);
        this.#transaction = null;
        return true;
      case "NOOP":
      case "VRFY":
      case "EXPN":
      case "HELP":
        this.#replies.await(verb, null);
        return true;
      case "ETRN":
        if (!this.#works("ETRN")) return this.#refuse("command", replies.invalidCommand, verb);
        this.#replies.await(verb, null);
        return true;
      case "AUTH": // RFC 4954 §4
      case "STARTTLS":
        return this.#refuse("command", replies.badSequence, verb);
      case "XCLIENT":
      case "XFORWARD":
        return this.#refuse("command", replies.notAuthorized, verb);
      case "other":
        // What it would do to the dialogue is not known.
        return this.#refuse("command", replies.invalidCommand, verb);
    }
  }

  /** Whether Postern announces an extension and the mail server has it. */
  #works(keyword: string): boolean {
    return this.#rules.announced.has(keyword) && this.#offered.has(keyword);
  }

  #mail(line: string): boolean | Uint8Array {
    const { maxMessages, data, replies } = this.#rules;
    const { path, size } = readMail(line);
    if (this.#lastWord !== null) return this.#sayGoodbye(this.#lastWord);
    const transaction = new Transaction(++this.#transactions, path, this.#now, this.#transaction);
    if (this.#messages >= maxMessages) {
      return this.#refuse("too_many_messages", replies.tooManyMessages, "MAIL", true, transaction);
    }
    if (size !== null && size > data.maxOctets) {
      return this.#refuse("message_too_large", replies.tooLarge, "MAIL", false, transaction);
    }
    const passed = size === null || this.#offered.has("SIZE") ? line : withoutSize(line);
    if (this.#asks) return this.#ask({ kind: "message", path }, passed);
    this.#beginTransaction(transaction);
    return passed === line ? true : encodeLatin1(passed + "\r\n");
  }

  /** A drain: what is in flight is answered, and nothing new begins. */
  #sayGoodbye(lastWord: SpokenReply): false {
    this.#mode = "deaf";
    this.#drained = true;
    this.#replies.say({ verb: "MAIL", transaction: null, own: lastWord, ends: true, refusal: null });
    return false;
  }

  #beginTransaction(transaction: Transaction): void {
    this.#messages++;
    // A second MAIL is refused by most, and what follows belongs to the first one then.
    if (transaction.before !== null) this.#begins = "reset_asked";
    this.#transaction = transaction;
    this.#replies.await("MAIL", transaction);
  }

  #rcpt(bytes: Uint8Array, start: number, end: number): boolean | Uint8Array {
    const transaction = this.#transaction;
    if (transaction !== null && transaction.accepted + transaction.pending >= this.#rules.maxRecipients) {
      transaction.refused++;
      return this.#refuse("too_many_recipients", this.#rules.replies.tooManyRecipients, "RCPT");
    }
    if (this.#asks) {
      const line = decodeLatin1(bytes, start, end);
      return this.#ask({ kind: "recipient", path: readForwardPath(line) }, line);
    }
    this.#beginRecipient();
    return true;
  }

  #beginRecipient(): void {
    if (this.#transaction !== null) this.#transaction.pending++;
    this.#replies.await("RCPT", this.#transaction);
  }

  #ask(question: GuardQuestion, line: string): false {
    this.question = question;
    this.#suspended = encodeLatin1(line + "\r\n");
    return false;
  }

  /** Answers {@linkcode question}. */
  answer(admission: Admission, now: number): void {
    const { question } = this;
    const suspended = this.#suspended;
    if (question === null || suspended === null) throw new TypeError("Cannot answer: nothing was asked");
    this.#now = now;
    this.question = null;
    this.#suspended = null;
    if (this.#mode === "deaf") return;
    if (admission === null) {
      if (question.kind === "recipient") this.#beginRecipient();
      else {
        const number = this.#transactions;
        this.#beginTransaction(new Transaction(number, question.path, now, this.#transaction));
        this.#obeyed();
      }
      this.toUpstream.push(suspended);
      return;
    }
    const refusal = spokenReply(admission.reply);
    if (question.kind === "message") {
      const transaction = new Transaction(this.#transactions, question.path, now, null);
      this.#refuse("limit", refusal, "MAIL", admission.close, transaction);
    } else {
      if (this.#transaction !== null) this.#transaction.refused++;
      this.#refuse("limit", refusal, "RCPT", admission.close);
    }
  }

  #bdat(line: string): boolean {
    const { data, replies } = this.#rules;
    const chunk = readBdat(line);
    // Without the number nobody knows where the next command begins.
    if (chunk === null) return this.#refuse("command", replies.invalidArgument, "BDAT", true);
    const transaction = this.#transaction;
    this.#begins = "chunk";
    this.#chunkLeft = chunk.octets;
    if (chunk.octets === 0) this.#begins = null;
    this.#chunkPasses = false;
    // A server without CHUNKING would take the content for commands.
    if (!this.#works("CHUNKING")) return this.#refuse("command", replies.notImplemented, "BDAT");
    if (transaction?.broken) return this.#refuse("command", replies.badSequence, "BDAT");
    if (transaction !== null && transaction.octets + chunk.octets > data.maxOctets) {
      transaction.broken = true;
      return this.#refuse("message_too_large", replies.tooLarge, "BDAT", false, transaction);
    }
    this.#chunkPasses = true;
    this.#replies.await(chunk.last ? "content" : "BDAT", transaction);
    if (chunk.last && chunk.octets > 0) this.#lastChunkOf = transaction;
    if (chunk.last && chunk.octets === 0) this.#transaction = null;
    return true;
  }

  #readChunk(chunk: Uint8Array, at: number): number {
    const end = Math.min(chunk.length, at + this.#chunkLeft);
    this.#chunkLeft -= end - at;
    if (this.#chunkPasses) {
      this.toUpstream.push(partOf(chunk, at, end));
      const transaction = this.#lastChunkOf ?? this.#transaction;
      if (transaction !== null) transaction.octets += end - at;
    }
    if (this.#chunkLeft === 0) {
      this.#mode = "command";
      if (this.#lastChunkOf !== null) this.#transaction = null;
      this.#lastChunkOf = null;
    }
    return end;
  }

  #readData(chunk: Uint8Array, at: number): number {
    const before = this.toUpstream.length;
    const framer = this.#framer;
    const next = framer.feed(chunk, at, this.toUpstream);
    const transaction = this.#transaction!;
    transaction.octets = framer.octets;
    if (framer.fault !== null) {
      this.toUpstream.length = before;
      this.#refuseContent(framer.fault);
    } else if (framer.ended) {
      this.#mode = "command";
      this.#transaction = null;
      this.#replies.await("content", transaction);
    }
    return next;
  }

  #readSkipped(chunk: Uint8Array, at: number): number {
    const next = this.#framer.skip(chunk, at);
    this.#skipped += next - at;
    if (this.#framer.ended || this.#skipped > MAX_SKIPPED_OCTETS) this.#endSkipping();
    return next;
  }

  /** The client has ended its sending side. */
  clientEnded(): void {
    if (this.#mode === "skip") this.#endSkipping();
    this.#mode = "deaf";
    this.#clientEnded = true;
  }

  // Refusals ------------------------------------------------------------------------------------------------------

  /** Postern's own reply, at its place; nothing goes to the mail server. `of` is a message that it ends. */
  #refuse(
    reason: GuardRefusal,
    answer: SpokenReply,
    verb: RelayedVerb,
    lastOne = false,
    of: Transaction | null = null,
  ): false {
    if (verb === "other") this.#errors++;
    const tooMany = ++this.#refusals >= MAX_REFUSALS || this.#errors >= this.#rules.maxErrors;
    const ends = lastOne || tooMany;
    const own = tooMany && !lastOne ? this.#rules.replies.tooManyErrors : answer;
    this.notes.push({ kind: "refused", reason, reply: own });
    if (ends) {
      this.#refused = reason;
      this.#mode = "deaf";
      this.#begins = null;
    }
    this.#replies.say({ verb, transaction: of, own, ends, refusal: of === null ? null : reason });
    return false;
  }

  /** Refuses a message whose content is on its way: the mail server must not hear the end of it. */
  #refuseContent(reason: ContentRefusal): void {
    const { replies } = this.#rules;
    const refusal = replies[CONTENT_REPLIES[reason]];
    this.#cut = true;
    this.#refused = reason;
    this.notes.push({ kind: "refused", reason, reply: refusal });
    const transaction = this.#lastChunkOf ?? this.#transaction;
    if (transaction !== null) this.#tell(transaction, "refused", toldReply(refusal), reason);
    this.#transaction = null;
    this.#lastChunkOf = null;
    this.#skipReply = refusal;
    // Where line ends are ambiguous, or nothing comes any more, the end of the content is not waited for.
    const waits = reason === "nul" || reason === "line_too_long" || reason === "message_too_large";
    if (waits && !this.#framer.ended) this.#mode = "skip";
    else this.#endSkipping();
  }

  #endSkipping(): void {
    if (this.#skipReply !== null) this.#replies.sayLast(this.#skipReply);
    this.#skipReply = null;
    this.#end();
  }

  /** The client is too slow with a message. */
  expire(reason: "data_timeout" | "data_too_slow", now: number): void {
    this.#now = now;
    if (this.#over || !this.receiving) return;
    if (this.#mode === "skip") this.#endSkipping();
    else this.#refuseContent(reason);
  }

  /** Nothing has moved for too long: the session ends, whatever is under way. */
  expireIdle(now: number): void {
    this.#now = now;
    if (this.#over) return;
    if (this.#mode === "skip") return this.#endSkipping();
    this.#replies.sayLast(this.#rules.replies.timeout);
    this.#end();
  }

  /** Says `lastWord` and ends the session as soon as nothing is in flight. */
  drain(lastWord: SpokenReply): void {
    this.#lastWord = lastWord;
    this.#leave();
  }

  #leave(): void {
    if (this.#lastWord === null || this.#over || this.inFlight) return;
    this.#drained = true;
    this.#replies.sayLast(this.#lastWord);
    this.#end();
  }

  #end(): void {
    this.#over = true;
    this.#cut = true;
    this.#mode = "deaf";
    this.question = null;
    this.#replies.end();
  }

  // The mail server -------------------------------------------------------------------------------------------------

  /** Reads what the mail server sent. */
  fromUpstream(chunk: Uint8Array, now: number): void {
    this.#now = now;
    if (!this.#cut) this.#replies.feed(chunk);
  }

  /** The mail server has ended its connection, or lost it. */
  upstreamEnded(now: number): void {
    this.#now = now;
    if (this.#over || this.#cut) return;
    const { lastCode } = this.#replies;
    const nothingToSay = this.#clientEnded && this.#replies.length === 0;
    if (lastCode !== 421 && lastCode !== 221 && !nothingToSay) {
      // Many close without a reply to QUIT, and to idle sessions.
      this.#deserted = this.#transaction !== null || this.receiving ||
        this.#replies.awaited.some(({ verb }) => verb !== "QUIT");
      this.#replies.sayLast(this.#rules.replies.upstreamLost);
    }
    this.#end();
  }

  /** For {@linkcode ReplyOrder}, as the three that follow. */
  replied(to: Awaited, reply: HeardReply, ehloLines: readonly string[] | null): void {
    if (ehloLines !== null) {
      this.#offered = parseEhlo(ehloLines);
      this.toClient.push(formatReply(reply.code, null, this.#rules.ehlo(this.#offered).join("\n")));
    }
    this.#noteCommand(to, reply.code);
    this.#understand(to, reply);
    this.#leave();
  }

  unasked(reply: HeardReply): void {
    if (this.receiving && this.#transaction !== null) this.#tell(this.#transaction, "rejected", reply, null);
    // Nobody asked, so all replies that follow would be taken for those to other commands: it is the last one.
    this.#upstreamFailed = true;
    this.#end();
  }

  saidOwn(own: Awaited): void {
    this.#noteCommand(own, own.own!.code);
    if (own.refusal !== null) this.#tell(own.transaction!, "refused", toldReply(own.own!), own.refusal);
    if (own.ends) this.#end();
  }

  upstreamFault(code: UpstreamFaultCode, got: string): void {
    this.notes.push({ kind: "upstream_fault", code, got });
    this.#upstreamFailed = true;
    this.#replies.sayLast(this.#rules.replies.upstreamBroken);
    this.#end();
  }

  #understand({ verb, transaction }: Awaited, reply: HeardReply): void {
    const { code } = reply;
    // The client had to wait for it, so it is the last one.
    if (this.#mode === "reset_asked" && this.#replies.length === 0) this.#mode = "command";
    if (verb === "QUIT") {
      // RFC 5321 §4.1.1.10 knows only 221, but QUIT with an argument gets 501, and the session goes on.
      if (this.#stays(code)) {
        this.#mode = "command";
        this.#transaction = transaction;
        this.#parting = null;
        return;
      }
      this.#parting = this.#parting === "asked" && code === 221 ? "granted" : null;
    }
    switch (verb) {
      case "MAIL":
        if (transaction !== null) this.#mailReplied(transaction, reply);
        return;
      case "RCPT":
        if (transaction === null) return;
        transaction.pending--;
        if (code < 300) transaction.accepted++;
        else transaction.refused++;
        return;
      case "DATA":
        this.#dataReplied(transaction, reply);
        return;
      case "BDAT":
        if (code >= 300 && transaction !== null) this.#tell(transaction, "rejected", reply, null);
        return;
      case "content":
        if (transaction !== null) this.#tell(transaction, code < 300 ? "accepted" : "rejected", reply, null);
        return;
      case "RSET":
      case "EHLO":
      case "HELO":
      case "QUIT":
        if (transaction === null || code >= 300 && verb !== "QUIT") return;
        this.#note(transaction.abandon(this.#now));
        if (this.#transaction === transaction) this.#transaction = null;
        return;
    }
  }

  /** Whether a mail server has refused QUIT, and its client has said nothing since, which would not have been listened to. */
  #stays(code: number): boolean {
    return code >= 400 && code !== 421 && this.#parting === "asked" && !this.#clientEnded;
  }

  #mailReplied(transaction: Transaction, reply: HeardReply): void {
    const { before } = transaction;
    transaction.before = null;
    if (reply.code < 300) {
      if (before !== null) this.#note(before.abandon(this.#now));
      return;
    }
    this.#messages--;
    this.#tell(transaction, "rejected", reply, null);
    if (this.#transaction === transaction) this.#transaction = before;
  }

  #dataReplied(transaction: Transaction | null, reply: HeardReply): void {
    // A client that ended its sending side meanwhile, or was turned away, sends nothing more.
    if (this.#mode !== "data_asked") return;
    if (reply.code < 300 || reply.code >= 400) {
      this.#mode = "command";
      if (transaction !== null) this.#tell(transaction, "rejected", reply, null);
      return;
    }
    this.#mode = "data";
    this.#framer.begin();
    this.#transaction = transaction ?? new Transaction(++this.#transactions, "", this.#now, null);
    // The mail server may take after all what it refused before.
    this.#transaction.told = false;
  }

  // What is told ----------------------------------------------------------------------------------------------------

  #noteCommand({ verb }: Awaited, code: number): void {
    if (verb !== "content") this.notes.push({ kind: "command", verb, code });
  }

  #tell(
    transaction: Transaction,
    outcome: MessageRecord["outcome"],
    reply: MessageRecord["reply"],
    refusal: GuardRefusal | null,
  ): void {
    this.#note(transaction.tell(outcome, reply, refusal, this.#now));
  }

  #note(record: MessageRecord | null): void {
    if (record !== null) this.notes.push({ kind: "message", record });
  }

  /** The relay has ended: tells of what was under way. */
  finish(now: number): void {
    for (const { transaction, refusal } of this.#replies.awaited) {
      if (transaction === null) continue;
      this.#note(
        refusal === null ? transaction.abandon(now) : transaction.tell("refused", null, refusal, now),
      );
    }
    for (let open = this.#transaction; open !== null; open = open.before) this.#note(open.abandon(now));
    this.#transaction = null;
  }
}
