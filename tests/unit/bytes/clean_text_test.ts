import assert from "node:assert/strict";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";
import { cleanEnd, LEAST_CLEAN_OCTETS, scannedBuffer } from "../../../src/bytes/clean_text.ts";

/** Lines of different lengths without anything to be looked at. */
function cleanLines(octets: number): Uint8Array {
  let text = "";
  for (let line = 0; text.length < octets; line++) text += "x.".repeat(line % 40) + "y\r\n";
  return encodeLatin1(text.slice(0, octets));
}

/** Fills in `text` at `at`. */
function put(bytes: Uint8Array, at: number, text: string): Uint8Array {
  bytes.set(encodeLatin1(text), at);
  return bytes;
}

for (
  const [where, make] of [
    ["where it is", (octets: number) => scannedBuffer(octets)],
    ["by a copy", (octets: number) => new Uint8Array(octets)],
  ] as const
) {
  Deno.test(`cleanEnd() looks at text ${where} and passes over all but the last of it when it is clean`, () => {
    for (const octets of [0, 1, LEAST_CLEAN_OCTETS - 1, LEAST_CLEAN_OCTETS, 1_000, 65_536, 200_000]) {
      const bytes = make(octets);
      bytes.set(cleanLines(octets));
      for (const start of [0, 1, 3, 77]) {
        if (start > octets) continue;
        const end = cleanEnd(bytes, start);
        assert.ok(end >= start && octets - end < LEAST_CLEAN_OCTETS || octets < LEAST_CLEAN_OCTETS, `${end}`);
      }
    }
  });

  Deno.test(`cleanEnd() looks at text ${where} and never passes what is not clean, wherever it stands`, () => {
    const octets = 700;
    for (const text of ["x\nx", "x\rx", "\r\r\n", "\n\r", "\r\n.", "x\0x", "x\x00", "\r\0\n"]) {
      for (let at = 0; at + text.length < octets - LEAST_CLEAN_OCTETS; at++) {
        const bytes = make(octets);
        put(bytes.fill(0x78), at, text);
        // The octet at fault: the CR before a dot, an LF's predecessor.
        const end = cleanEnd(bytes, 0);
        assert.ok(end <= at + 1, `${JSON.stringify(text)} at ${at}: ${end}`);
        assert.ok(end >= at - 128, `${JSON.stringify(text)} at ${at}: ${end} is too early`);
      }
    }
  });
}

/** What {@linkcode cleanEnd} must not pass: the first octet that is not clean, or the end. */
function firstUnclean(bytes: Uint8Array): number {
  for (let at = 0; at < bytes.length; at++) {
    const [octet, next, afterNext] = bytes.subarray(at, at + 3);
    if (octet === 0 || octet === 0x0a && bytes[at - 1] !== 0x0d) return at;
    if (octet === 0x0d && (next !== 0x0a || afterNext === 0x2e)) return at;
  }
  return bytes.length;
}

for (const columns of [48, 60, 76, 80, 81]) {
  Deno.test(`cleanEnd() passes lines of ${columns} columns, and of what is not clean among them nothing`, () => {
    const lines = encodeLatin1(("x".repeat(columns) + "\r\n").repeat(1_200 / columns | 0));
    const bytes = scannedBuffer(lines.length);
    bytes.set(lines);
    assert.equal(cleanEnd(bytes, 0), lines.length - 2);
    for (const text of ["\0", "\n", "\r", "\r\n", "\r\n.", "\n\r", "\t", ".", "\t\0", ".\n"]) {
      for (let at = 1; at + text.length <= lines.length; at++) {
        put(bytes, at, text);
        const unclean = firstUnclean(bytes);
        const end = cleanEnd(bytes, 0);
        if (end > unclean || end < unclean - 130) {
          assert.fail(`${JSON.stringify(text)} at ${at}: ${end} instead of ${unclean}`);
        }
        bytes.set(lines);
      }
    }
  });
}

Deno.test("cleanEnd() passes a change of the length of lines, and looks at all behind it", () => {
  const text = [64, 64, 64, 64, 64, 30, 70, 76, 76, 76, 76, 76, 2, 0, 80, 80, 80, 80, 80].map((columns) =>
    "y".repeat(columns) + "\r\n"
  ).join("").repeat(70);
  const bytes = scannedBuffer(text.length);
  bytes.set(encodeLatin1(text));
  for (const start of [0, 5, 64]) assert.equal(cleanEnd(bytes, start), text.length - 2);
  for (let at = 0; at < text.length; at += 61) {
    const was = bytes[at]!;
    bytes[at] = 0;
    const end = cleanEnd(bytes, 0);
    assert.ok(end <= at && end >= at - 130, `${at}: ${end}`);
    bytes[at] = was;
  }
});

Deno.test("scannedBuffer() has buffers when there is no room for another that need not be copied", () => {
  for (let i = 0; i < 70; i++) assert.equal(scannedBuffer(262_144).length, 262_144);
});
