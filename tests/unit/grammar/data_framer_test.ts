import assert from "node:assert/strict";
import { concatBytes, decodeLatin1, encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { scannedBuffer } from "../../../src/bytes/clean_text.ts";
import { DataFramer, type DataPolicy } from "../../../src/grammar/data_framer.ts";

const STRICT: DataPolicy = { bareNewline: "reject", nul: "reject", longLine: "pass", maxOctets: Infinity };
const NORMALIZE: DataPolicy = { ...STRICT, bareNewline: "normalize", nul: "pass" };
const PASS: DataPolicy = { ...STRICT, bareNewline: "pass", nul: "pass" };

interface Framed {
  readonly out: string;
  readonly end: "end" | "more" | string;
  /** What was not read. */
  readonly rest: string;
  readonly octets: number;
}

/** Feeds `parts` one after the other. */
function frame(policy: DataPolicy, ...parts: readonly string[]): Framed {
  const framer = new DataFramer(policy);
  const out: Uint8Array[] = [];
  let rest = "";
  for (const part of parts) {
    const bytes = encodeLatin1(part);
    const read = framer.ended || framer.fault !== null ? 0 : framer.feed(bytes, 0, out);
    rest += decodeLatin1(bytes.subarray(read));
  }
  const end = framer.fault ?? (framer.ended ? "end" : "more");
  return { out: decodeLatin1(concatBytes(out)), end, rest, octets: framer.octets };
}

/** In one piece, cut at each octet, and octet by octet: always the same. */
function frameEverySegmentation(policy: DataPolicy, text: string): Framed {
  const whole = frame(policy, text);
  for (let cut = 1; cut < text.length; cut++) {
    const halves = frame(policy, text.slice(0, cut), text.slice(cut));
    // What goes on before a fault may differ: it never has an end.
    const same = whole.end === "end" || whole.end === "more" ? halves : { ...halves, out: whole.out };
    assert.deepEqual(same, whole, `${JSON.stringify(text)} cut at ${cut}`);
  }
  const single = frame(policy, ...text);
  assert.deepEqual([single.end, single.rest, single.octets], [whole.end, whole.rest, whole.octets]);
  if (whole.end === "end") assert.equal(single.out, whole.out);
  return whole;
}

const CONTENTS: readonly (readonly [name: string, content: string])[] = [
  ["nothing", ""],
  ["one line", "x\r\n"],
  ["an empty line", "\r\n"],
  ["dots that are doubled", "..\r\n..x\r\n....\r\n"],
  ["dots that should have been doubled", ".x\r\n. \r\n"],
  ["dots within lines", "x.\r\n x.\r\n.. .\r\n"],
  ["a header and a body", "Subject: a\r\n\r\nb\r\n\r\n\r\nc\r\n"],
  ["octets above 127", "\x80\xff\x85\r\n"],
];

for (const [name, content] of CONTENTS) {
  Deno.test(`a content passes as it is and ends at CRLF.CRLF only: ${name}`, () => {
    for (const policy of [STRICT, NORMALIZE, PASS]) {
      assert.deepEqual(frameEverySegmentation(policy, content + ".\r\nMAIL\r\n"), {
        out: content + ".\r\n",
        end: "end",
        rest: "MAIL\r\n",
        octets: content.length,
      });
    }
  });
}

/** The published ends of data that are none (SMTP smuggling), and what they are repaired to. */
const SMUGGLED: readonly (readonly [sequence: string, repaired: string])[] = [
  ["\n.\n", "\r\n..\r\n"],
  ["\n.\r", "\r\n.. "],
  ["\r.\n", " .\r\n"],
  ["\r.\r", " . "],
  ["\n.\r\n", "\r\n..\r\n"],
  ["\r.\r\n", " .\r\n"],
  ["\r\n.\n", "\r\n..\r\n"],
  ["\r\n.\r", "\r\n.. "],
  ["\r\n.\r\r\n", "\r\n.. \r\n"],
  ["\r\r\n.\r\r\n", " \r\n.. \r\n"],
  ["\r\n\0.\r\n", "\r\n\0..\r\n"],
  ["\r\n.\0\r\n", "\r\n..\0\r\n"],
  ["\r\n\0\0.\0\r\n", "\r\n\0\0..\0\r\n"],
  ["\n\0.\r\n", "\r\n\0..\r\n"],
  ["\r\0\n.\r\n", " \0\r\n..\r\n"],
  ["\n.\r\r\n", "\r\n.. \r\n"],
  ["\n\n.\n\n", "\r\n\r\n..\r\n\r\n"],
  ["\r\n.\n\r\n", "\r\n..\r\n\r\n"],
];

for (const [sequence, repaired] of SMUGGLED) {
  const shown = JSON.stringify(sequence);
  const text = `one${sequence}MAIL FROM:<admin@example.test>\r\nRCPT TO:<x@example.test>\r\nDATA\r\n`;

  Deno.test(`CVE-2023-51764, -51765, -51766: ${shown} ends no content and is refused`, () => {
    const { end } = frameEverySegmentation(STRICT, text);
    assert.ok(["bare_newline", "smuggling", "nul"].includes(end), end);
  });

  Deno.test(`${shown} never passes where line ends and NULs pass`, () => {
    assert.equal(frameEverySegmentation(PASS, text).end, "smuggling");
    assert.equal(frameEverySegmentation({ ...STRICT, nul: "pass" }, text).end.length > 4, true);
  });

  Deno.test(`${shown} is content where line ends are repaired`, () => {
    const { out, end } = frameEverySegmentation(NORMALIZE, text + "\r\n.\r\n");
    assert.equal(end, "end");
    assert.equal(out, `one${repaired}${text.slice(3 + sequence.length)}\r\n.\r\n`);
  });

  Deno.test(`${shown} at the very beginning of a content ends nothing`, () => {
    for (const policy of [STRICT, PASS]) {
      const { end } = frameEverySegmentation(policy, sequence + "MAIL FROM:<>\r\n");
      assert.ok(["bare_newline", "smuggling", "nul"].includes(end), end);
    }
  });
}

const REPAIRED: readonly (readonly [text: string, repaired: string, passed: string | null])[] = [
  ["a\nb\n", "a\r\nb\r\n", "a\nb\n"],
  ["a\rb\r\n", "a b\r\n", "a\rb\r\n"],
  ["\r\r\r\n", "  \r\n", "\r\r\r\n"],
  ["a\n..b\n.c\r\n", "a\r\n..b\r\n.c\r\n", "a\n..b\n.c\r\n"],
  ["\n\n\r\n", "\r\n\r\n\r\n", "\n\n\r\n"],
  ["\0a\0\r\n", "\0a\0\r\n", "\0a\0\r\n"],
];

for (const [text, repaired, passed] of REPAIRED) {
  Deno.test(`what stands alone is refused, repaired or passed by policy: ${JSON.stringify(text)}`, () => {
    assert.ok(["bare_newline", "nul"].includes(frameEverySegmentation(STRICT, text + ".\r\n").end));
    assert.equal(frameEverySegmentation(NORMALIZE, text + "\r\n.\r\n").out, `${repaired}\r\n.\r\n`);
    assert.equal(frameEverySegmentation(PASS, text + "\r\n.\r\n").out, `${passed}\r\n.\r\n`);
  });
}

Deno.test("lines over 1000 octets are refused or pass by policy, the doubled dot not counted", () => {
  const refusing: DataPolicy = { ...STRICT, longLine: "reject" };
  const ends = (line: string, before = "") => {
    const text = `${before}${line}\r\n.\r\n`;
    const whole = frame(refusing, text);
    for (const cut of [1, 500, 990, 999, 1_000, 1_001, 1_002]) {
      assert.equal(frame(refusing, text.slice(0, cut), text.slice(cut)).end, whole.end, `cut at ${cut}`);
    }
    assert.equal(frame(STRICT, text).end, "end");
    return whole.end;
  };
  for (const before of ["", "x\r\n", "y".repeat(200) + "\r\n", "z".repeat(998) + "\r\n"]) {
    assert.equal(ends("x".repeat(998), before), "end");
    assert.equal(ends("x".repeat(999), before), "line_too_long");
    assert.equal(ends(".." + "x".repeat(997), before), "end");
    assert.equal(ends(".." + "x".repeat(998), before), "line_too_long");
    assert.equal(ends("x".repeat(5_000), before), "line_too_long");
  }
});

Deno.test("a content that is too large is refused, dots that were doubled counted once", () => {
  const policy = { ...STRICT, maxOctets: 10 };
  assert.equal(frameEverySegmentation(policy, "..34567\r\n\r\n.\r\n").end, "end");
  for (const cut of [2, 9, 11, 12, 13, 14, 15]) {
    const text = "..345678\r\n\r\n.\r\n";
    assert.equal(
      frame(policy, text.slice(0, cut), text.slice(cut)).end,
      "message_too_large",
      `cut at ${cut}`,
    );
  }
  assert.equal(frame(policy, "x".repeat(11)).end, "message_too_large");
});

for (const buffer of [scannedBuffer(30_000), new Uint8Array(30_000)]) {
  for (
    const [what, line] of [
      ["large contents", (at: number) => "line ".repeat(at % 17) + "\r\n"],
      ["large contents with lines of one length", () => "base64==".repeat(9) + "\r\n"],
    ] as const
  ) {
    const where = buffer.byteOffset > 0 ? "in scanned memory" : "elsewhere";
    Deno.test(`${what} are searched fast with the same result, ${where}`, () => {
      for (const bad of ["", "\n", "\r", "\0", "\n.\n", "\r\n.\n", "\r\n..\r\n", "\r\n.x"]) {
        for (let at = 130; at < 1_200; at += 67) checkLarge(buffer, line, bad, at);
      }
    });
  }
}

/** Reads lines with something `bad` at `at` at once, and octet for octet. */
function checkLarge(buffer: Uint8Array, line: (at: number) => string, bad: string, at: number): void {
  let text = "";
  while (text.length < 4_000) text += line(text.length);
  text = text.slice(0, at) + bad + text.slice(at).replace(/^[\r\n]+/, "") + "\r\n.\r\nRSET\r\n";
  const bytes = buffer.subarray(0, text.length);
  bytes.set(encodeLatin1(text));
  const framer = new DataFramer(STRICT);
  const out: Uint8Array[] = [];
  const read = framer.feed(bytes, 0, out);
  const slow = frame(STRICT, ...text);
  assert.deepEqual(
    [framer.fault ?? (framer.ended ? "end" : "more"), decodeLatin1(bytes.subarray(read)).length],
    [slow.end, slow.end === "end" ? slow.rest.length : bytes.length - read],
    `${JSON.stringify(bad)} at ${at}`,
  );
  if (slow.end === "end") assert.equal(decodeLatin1(concatBytes(out)), slow.out);
}

Deno.test("after a fault the content is skipped to its true end", () => {
  const policy = { ...STRICT, maxOctets: 20 };
  const text = "x".repeat(30) + "\0\n.\n\r.\r\r\n..\r\n" + "y\r\n".repeat(500) + "\r\n.\r\nQUIT\r\n";
  for (const size of [1, 2, 3, 7, 100, text.length]) {
    const framer = new DataFramer(policy);
    let rest = "";
    for (let at = 0; at < text.length; at += size) {
      const chunk = encodeLatin1(text.slice(at, at + size));
      let read = 0;
      if (framer.fault === null) read = framer.feed(chunk, 0, []);
      if (framer.fault !== null && !framer.ended) read = framer.skip(chunk, read);
      rest += decodeLatin1(chunk.subarray(read));
    }
    assert.equal(rest.endsWith("QUIT\r\n") && framer.ended, true, `${size} at a time: ${framer.ended}`);
  }
});
