/**
 * Whatever octets a peer sends: the grammar answers with a value, with "need more" or with a fault. It never throws,
 * never goes over its bounds, and does not care how the octets were cut on their way.
 *
 * The seed is fixed; `FUZZ_SEED=…` with `--allow-env=FUZZ_SEED` takes another.
 */
import assert from "node:assert/strict";
import fc from "fast-check";
import { decodeBase64, encodeBase64 } from "../../src/bytes/base64.ts";
import { formatIp, ipInRange, parseCidr, parseIp, unmapIpv4 } from "../../src/bytes/ip_address.ts";
import { decodeLatin1, displayText, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { decodeXtext, encodeXtext } from "../../src/bytes/xtext.ts";
import { parseCommand, parseSaslResponse } from "../../src/grammar/command.ts";
import { parseEhlo } from "../../src/grammar/ehlo.ts";
import { LINE_TOO_LONG, LineFramer, type LineTooLong } from "../../src/grammar/line_framer.ts";
import {
  formatProxyV1,
  formatProxyV2,
  type ProxyHeader,
  type ProxyHeaderFault,
  ProxyHeaderReader,
} from "../../src/grammar/proxy_header.ts";
import { formatReply, type Reply, type ReplyFault, ReplyReader } from "../../src/grammar/reply.ts";
import * as sasl from "../../src/grammar/sasl.ts";
import { formatNginxXclient, formatXclient } from "../../src/grammar/xclient.ts";

/** Generated inputs of each property; 13 properties make 130,000. */
const RUNS = 10_000;
const SEED = readSeed() ?? 20260;

function readSeed(): number | null {
  const permission = Deno.permissions.querySync({ name: "env", variable: "FUZZ_SEED" });
  const text = permission.state === "granted" ? Deno.env.get("FUZZ_SEED") : undefined;
  return text === undefined ? null : Number(text);
}

function property<T>(name: string, arbitrary: fc.Arbitrary<T>, check: (value: T) => void): void {
  Deno.test(`fuzz: ${name}`, () => {
    fc.assert(fc.property(arbitrary, check), { seed: SEED, numRuns: RUNS });
  });
}

/** Lengths up to the maximum; fast-check by itself prefers short ones. */
const size = "max";

const octets = (maxLength: number) => fc.uint8Array({ maxLength, size }).map((bytes) => decodeLatin1(bytes));

/** Pieces of a grammar in any order, with arbitrary octets between them. */
function shaped(pieces: readonly string[], maxPieces: number): fc.Arbitrary<string> {
  const piece = fc.oneof({ weight: 5, arbitrary: fc.constantFrom(...pieces) }, {
    weight: 1,
    arbitrary: octets(6),
  });
  return fc.array(piece, { maxLength: maxPieces, size }).map((parts) => parts.join(""));
}

/** One octet of the text changed, taken out or doubled, perhaps. */
function mutated(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.tuple(text, fc.nat(), fc.nat(255), fc.nat(3)).map(([original, where, octet, how]) => {
    const at = original.length === 0 ? 0 : where % original.length;
    const middle = ["", String.fromCharCode(octet), original.slice(at, at + 1).repeat(2), null][how];
    return middle === null ? original : original.slice(0, at) + middle + original.slice(at + 1);
  });
}

const cuts = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 12 });

interface Reader<Value> {
  feed(bytes: Uint8Array): void;
  next(): Value | null;
  takeRest(): Uint8Array;
}

/** What a reader answers when the text arrives in pieces of these sizes, until `ends` says that it is enough. */
function readInPieces<Value>(
  reader: Reader<Value>,
  text: string,
  sizes: readonly number[],
  ends: (value: Value) => boolean,
): { values: Value[]; rest: string } {
  const bytes = encodeLatin1(text);
  const values: Value[] = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const end = at + (sizes[turn % sizes.length] ?? 1);
    reader.feed(bytes.subarray(at, end));
    at = Math.min(end, bytes.length);
    for (let value = reader.next(); value !== null; value = reader.next()) {
      values.push(value);
      if (ends(value)) return { values, rest: decodeLatin1(reader.takeRest()) + text.slice(at) };
    }
  }
  return { values, rest: decodeLatin1(reader.takeRest()) };
}

/** Lines by the plainest means there are. */
function splitLines(text: string, limit: number): { values: (string | LineTooLong)[]; rest: string } {
  const values: (string | LineTooLong)[] = [];
  let rest = text;
  for (;;) {
    const end = rest.slice(0, limit).indexOf("\n");
    if (end < 0) return { values: rest.length >= limit ? [...values, LINE_TOO_LONG] : values, rest };
    const line = rest.slice(0, end);
    values.push(line.endsWith("\r") ? line.slice(0, -1) : line);
    rest = rest.slice(end + 1);
  }
}

const commandText = shaped(
  [
    "\r\n",
    "\n",
    "\r",
    " ",
    "  ",
    "\t",
    "EHLO mx",
    "MAIL FROM:<a@b>",
    "rcpt",
    "NOOP",
    "STARTTLS",
    "AUTH PLAIN ",
    "\0",
  ],
  24,
);

property(
  "LineFramer finds the lines that splitting the whole text finds",
  fc.tuple(commandText, cuts, fc.integer({ min: 1, max: 40 })),
  ([text, sizes, limit]) => {
    const framer = new LineFramer();
    const reader: Reader<string | LineTooLong> = {
      feed: (bytes) => framer.feed(bytes),
      next: () => framer.next(limit),
      takeRest: () => framer.takeRest(),
    };
    assert.deepEqual(
      readInPieces(reader, text, sizes, (value) => value === LINE_TOO_LONG),
      splitLines(text, limit),
    );
    assert.equal(framer.pending, 0);
  },
);

const commandLine = shaped(
  [
    "MAIL",
    "Rcpt",
    "auth",
    "STARTTLS",
    "NOOP",
    "QUIT",
    " ",
    " ",
    "   ",
    "a",
    "FROM:<a@b>",
    "\r",
    "\t",
    "DATA",
  ],
  30,
);

property("parseCommand() gives arguments that make up the text", commandLine, (line) => {
  const command = parseCommand(line);
  const response = parseSaslResponse(line);
  assert.equal(response === null, line.includes("\r"));
  assert.ok(response === null || (line.startsWith(response) && !response.includes(" ")));
  if (command === null) return;
  assert.ok(line.startsWith(command.text) && line.slice(command.text.length).trim() === "");
  assert.deepEqual(command.text.split(" ").filter((word) => word !== "").slice(1), command.args);
  assert.equal(command.text.slice(0, command.verb.length).toUpperCase(), command.verb);
  assert.ok(command.args.length <= 11 && !line.includes("\r"));
  assert.deepEqual(parseCommand(command.text), command);
});

const replyText = mutated(fc.oneof(
  shaped(["250-", "250 ", "250", "354 ", "550 5.1.1 ", "251 ", "\r\n", "\r\n", "\r\n", "\n", "\r", "x"], 24),
  shaped(["250-mx\r\n", "250 mx\r\n", "250\r\n", "354 go\r\n", "550-5.1.1 no\r\n550 5.1.1 \xff\r\n"], 12),
));

property(
  "ReplyReader loses and invents no octet and does not depend on segmentation",
  fc.tuple(replyText, cuts, fc.integer({ min: 8, max: 120 })),
  ([text, sizes, limit]) => {
    const isFault = (value: Reply | ReplyFault) => "kind" in value;
    const whole = readInPieces(new ReplyReader(limit), text, [text.length + 1], isFault);
    assert.deepEqual(readInPieces(new ReplyReader(limit), text, sizes, isFault), whole);
    const taken = whole.values.map((value) => "kind" in value ? "" : value.text);
    assert.equal(taken.join("") + whole.rest, text);
    for (const value of whole.values) {
      if ("kind" in value) assert.ok(value.text.length <= 200);
      else {assert.ok(
          value.text.length <= limit && value.code >= 200 && value.code <= 599 && value.lines.length > 0,
        );}
    }
  },
);

property(
  "what formatReply() writes is one reply with the same text",
  fc.tuple(
    fc.integer({ min: 200, max: 599 }),
    fc.constantFrom(null, "5.7.0"),
    shaped(["\r", "\n", "250 x"], 9),
    cuts,
  ),
  ([code, enhanced, text, sizes]) => {
    const written = decodeLatin1(formatReply(code, enhanced, text));
    const { values, rest } = readInPieces(new ReplyReader(8192), written, sizes, () => false);
    assert.equal(rest, "");
    assert.equal(values.length, 1);
    const [reply] = values;
    assert.ok(reply !== undefined && !("kind" in reply) && reply.code === code);
    const status = enhanced === null ? "" : `${enhanced} `;
    assert.deepEqual(reply.lines, text.replaceAll("\r", "").split("\n").map((line) => status + line));
  },
);

property(
  "parseEhlo() gives upper-case keywords and parameters without spaces",
  fc.array(shaped(["AUTH", "=", " ", "PLAIN", "size", "-", "8BITMIME", "__proto__"], 8), { maxLength: 8 }),
  (lines) => {
    for (const [keyword, parameters] of parseEhlo(lines)) {
      assert.match(keyword, /^[A-Z0-9][A-Z0-9-]*$/);
      for (const parameter of parameters) assert.ok(parameter !== "" && !parameter.includes(" "));
    }
  },
);

const word = fc.oneof(octets(12), shaped(["\0", "\x01", ",", "=", "=2C", "a", "user"], 6));
const token = fc.stringMatching(/^[!-~]{1,20}$/);
const saslText = mutated(fc.oneof(
  shaped(
    ["\0", "\x01", "n,", "y,", "p=x,", "a=", ",", "=2C", "user=", "auth=Bearer ", "auth=", "t", " "],
    14,
  ),
  fc.tuple(word, token).map(([user, secret]) => sasl.formatXoauth2(user, secret) ?? user),
  fc.tuple(word, token).map(([user, secret]) => sasl.formatOauthbearer(user, secret, "mx", 25) ?? user),
));

property("SASL messages are read or refused", saslText, (text) => {
  const plain = sasl.parsePlain(text);
  assert.ok(plain === null || !plain.user.includes("\0"));
  const cram = sasl.parseCramMd5(text);
  assert.ok(cram === null || cram.digest.length === 32);
  for (const bearer of [sasl.parseXoauth2(text), sasl.parseOauthbearer(text)]) {
    if (bearer === null) continue;
    assert.match(bearer.token, /^[\x21-\x7e]+$/);
    assert.ok(!bearer.user.includes("\x01") && !bearer.user.includes("\0"));
  }
});

property(
  "SASL messages that are written are read back, with nothing added",
  fc.tuple(word, fc.oneof(word, token)),
  ([user, secret]) => {
    const plain = sasl.formatPlain(user, secret);
    assert.ok(plain === null ? user.includes("\0") : true);
    if (plain !== null) assert.deepEqual(sasl.parsePlain(plain), { user, secret });
    const xoauth2 = sasl.formatXoauth2(user, secret);
    const oauthbearer = sasl.formatOauthbearer(user, secret, "mx.example", 25);
    assert.equal(xoauth2 === null, oauthbearer === null);
    if (xoauth2 !== null) assert.deepEqual(sasl.parseXoauth2(xoauth2), { user, token: secret });
    if (oauthbearer !== null) assert.deepEqual(sasl.parseOauthbearer(oauthbearer), { user, token: secret });
  },
);

const endpoint = fc.record({
  host: fc.oneof(
    fc.uint8Array({ minLength: 4, maxLength: 4 }).map(formatIp),
    fc.uint8Array({ minLength: 16, maxLength: 16 }).map(formatIp),
    fc.constantFrom("::1", "::ffff:192.0.2.1", "unix:", "mx.example"),
  ),
  port: fc.nat(0xffff),
});
const tlsFacts = fc.record({
  serverName: fc.option(fc.string({ maxLength: 300 })),
  alpn: fc.constantFrom(null, "smtp"),
  protocol: fc.constantFrom("TLSv1.2", "TLSv1.3"),
  cipher: fc.string({ maxLength: 30 }),
  commonName: fc.option(fc.string({ unit: "grapheme", maxLength: 100 })),
  clientCertificate: fc.constantFrom("none" as const, "verified" as const, "failed" as const),
});

property(
  "PROXY headers that are written are read back, in any segmentation, and leave what follows",
  fc.tuple(endpoint, endpoint, fc.option(tlsFacts), octets(20), cuts),
  ([client, local, tls, behind, sizes]) => {
    const addresses = [client, local].map(({ host, port }) => {
      const address = parseIp(host);
      return address === null ? null : { host: formatIp(unmapIpv4(address)), port };
    });
    for (
      const header of [formatProxyV1(client, local), decodeLatin1(formatProxyV2({ client, local, tls }))]
    ) {
      const { values, rest } = readInPieces(new ProxyHeaderReader(), header + behind, sizes, () => true);
      assert.equal(rest, behind);
      const [value] = values;
      if (value?.kind === "addresses") assert.deepEqual([value.source, value.destination], addresses);
      else assert.ok(addresses.includes(null) && (value?.kind === "unknown" || value?.kind === "local"));
    }
  },
);

const headerText = mutated(fc.oneof(
  fc.tuple(endpoint, endpoint).map(([client, local]) => formatProxyV1(client, local)),
  fc.tuple(endpoint, endpoint, fc.option(tlsFacts)).map(([client, local, tls]) =>
    decodeLatin1(formatProxyV2({ client, local, tls }))
  ),
  shaped(
    ["PROXY ", "TCP4 ", "TCP6 ", "UNKNOWN", "1.2.3.4 ", "::1 ", "25", " ", "\r\n", "\n", "x".repeat(60)],
    10,
  ),
  shaped([
    "\r\n\r\n\0\r\nQUIT\n",
    "\x20",
    "\x21",
    "\x11",
    "\0\x0c",
    "\x0f\xff",
    "\x03\0\x04",
    "\0".repeat(12),
  ], 8),
));

property(
  "ProxyHeaderReader does not depend on segmentation for damaged headers",
  fc.tuple(headerText, octets(20), cuts),
  ([header, behind, sizes]) => {
    const text = header + behind;
    const all = () => true;
    const whole = readInPieces<ProxyHeader | ProxyHeaderFault>(new ProxyHeaderReader(), text, [
      text.length + 1,
    ], all);
    assert.deepEqual(readInPieces(new ProxyHeaderReader(), text, sizes, all), whole);
    assert.ok(text.endsWith(whole.rest));
    const [value] = whole.values;
    if (value === undefined) assert.ok(whole.rest === text && text.length < 4096);
    if (value?.kind === "fault") assert.ok(value.text.length <= 107 && text.startsWith(value.text));
  },
);

const anyText = fc.oneof(octets(700), fc.stringMatching(/^[!-~]{0,600}$/, { size }));

property(
  "XCLIENT lines are short, hold no line end, and say what was given",
  fc.tuple(endpoint, endpoint, anyText, fc.option(anyText), fc.option(anyText)),
  ([client, local, name, login, helo]) => {
    const names = ["ADDR", "PORT", "NAME", "LOGIN", "HELO", "PROTO", "DESTADDR", "DESTPORT"];
    const attributes = {
      addr: client.host,
      port: client.port,
      name,
      login,
      helo,
      proto: "ESMTP" as const,
      destaddr: local.host,
      destport: local.port,
    };
    const lines = formatXclient(attributes, new Set(names));
    const seen: [string, string | null][] = [];
    for (const line of lines) {
      assert.match(line, /^XCLIENT( [A-Z]+=[!-~]+)+$/);
      assert.ok(line.length <= 510);
      for (const attribute of line.split(" ").slice(1)) {
        const [key = "", value = ""] = attribute.split("=", 2);
        seen.push([key, decodeXtext(value)]);
      }
    }
    assert.equal(seen.at(-1)?.[0], "ADDR");
    const said = new Map(seen);
    assert.equal(said.size, seen.length);
    if (said.has("LOGIN")) assert.equal(said.get("LOGIN"), login);
    if (said.has("HELO")) assert.equal(said.get("HELO"), helo || "[UNAVAILABLE]");
    if (said.has("NAME")) assert.equal(said.get("NAME"), name || "[UNAVAILABLE]");
    assert.match(formatNginxXclient({ addr: client.host, login, name }), /^XCLIENT( [A-Z]+=[!-~]*){2,3}$/);
  },
);

property(
  "base64 and xtext give back what was encoded, and refuse or decode all else",
  fc.tuple(octets(60), mutated(shaped(["Zm9v", "=", "A", "+", "+2B", "/", "z"], 20))),
  ([plain, text]) => {
    assert.equal(decodeBase64(encodeBase64(plain)), plain);
    assert.equal(decodeXtext(encodeXtext(plain)), plain);
    assert.match(encodeXtext(plain), /^[!-~]*$/);
    const decoded = decodeBase64(text);
    const used = text.split("=", 1)[0] ?? "";
    assert.equal(decoded === null, /[^A-Za-z0-9+/]/.test(used) || used.length % 4 === 1);
    assert.ok(decoded === null || decoded.length === Math.floor(used.length * 3 / 4));
    const xtext = decodeXtext(text);
    assert.ok(xtext === null || xtext.length <= text.length);
  },
);

property(
  "addresses are written in one form and read back",
  fc.tuple(
    fc.oneof(fc.uint8Array({ minLength: 4, maxLength: 4 }), fc.uint8Array({ minLength: 16, maxLength: 16 })),
    shaped(["1", "0", "255", ".", ":", "::", "ffff", "/", "8", "10.0.0.0", "%", "[", "::ffff:"], 12),
    fc.nat(128),
  ),
  ([address, text, bits]) => {
    assert.deepEqual(parseIp(formatIp(address)), address);
    assert.ok(ipInRange(address, address, Math.min(bits, address.length * 8)));
    const read = parseIp(text);
    if (read !== null) assert.deepEqual(parseIp(formatIp(read)), read);
    const cidr = parseCidr(text);
    if (cidr !== null) assert.ok(ipInRange(cidr.address, cidr.address, cidr.prefix));
  },
);

property(
  "displayText() prints on one line",
  fc.oneof(octets(60), shaped(["\xc3\xa4", "\xe2\x80\xa8", "\x1b[2J"], 9)),
  (text) => {
    assert.match(displayText(text), /^[^\p{Cc}\p{Zl}\p{Zp}]*$/u);
  },
);
