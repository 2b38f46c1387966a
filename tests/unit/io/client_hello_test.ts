import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { Duplex } from "node:stream";
import tls from "node:tls";
import { CLIENT_HELLO_OCTETS, readClientHello } from "../../../src/io/client_hello.ts";

/** The first octets of a client of the runtime. */
async function realHello(options: tls.ConnectionOptions): Promise<Uint8Array> {
  const { promise, resolve } = Promise.withResolvers<Uint8Array>();
  const below = new Duplex({
    read() {},
    write(chunk: Buffer, _encoding, done) {
      resolve(new Uint8Array(chunk));
      done();
    },
  });
  const socket = tls.connect({ socket: below, ...options });
  socket.on("error", () => {});
  const octets = await promise;
  socket.destroy();
  below.destroy();
  return octets;
}

const u16 = (value: number) => [value >> 8, value & 255];
const list = (octets: readonly number[]) => [...u16(octets.length), ...octets];
const extension = (type: number, octets: readonly number[]) => [...u16(type), ...list(octets)];
const name = (text: string, type = 0) => [type, ...list([...text].map((unit) => unit.charCodeAt(0)))];
const serverName = (...names: readonly number[][]) => extension(0, list(names.flat()));

function message(extensions: readonly number[] | null, session = 32): number[] {
  const hello = [3, 3, ...Array(32).fill(7), session, ...Array(session).fill(9), ...list([0xc0, 0x2b]), 1, 0];
  if (extensions !== null) hello.push(...list(extensions));
  return [1, 0, ...list(hello)];
}

/** `octets` in handshake records of `size` octets each. */
function records(octets: readonly number[], size = 16_384): Uint8Array {
  const out: number[] = [];
  for (let at = 0; at < octets.length; at += size) {
    out.push(22, 3, 1, ...list(octets.slice(at, at + size)));
  }
  return Uint8Array.from(out);
}

const NAMED = message([...extension(43, [2, 3, 4]), ...serverName(name("mail.test")), ...extension(16, [])]);

for (const servername of ["mail.test", "a-rather-long.name.of.a.mail.server.example"]) {
  Deno.test(`the name ${servername} is found in what a real client sends, however it is cut`, async () => {
    const octets = await realHello({ servername, ALPNProtocols: ["smtp"] });
    for (let cut = 0; cut < octets.length; cut++) {
      assert.deepEqual(readClientHello(octets.subarray(0, cut)), { kind: "more" }, `cut at ${cut}`);
    }
    assert.deepEqual(readClientHello(octets), { kind: "hello", serverName: servername });
  });
}

for (const size of [1, 2, 3, 7, 40, 100]) {
  Deno.test(`a message cut into records of ${size} octets is put together`, () => {
    const octets = records(NAMED, size);
    for (let cut = 0; cut < octets.length; cut++) {
      assert.equal(readClientHello(octets.subarray(0, cut)).kind, "more", `cut at ${cut}`);
    }
    assert.deepEqual(readClientHello(octets), { kind: "hello", serverName: "mail.test" });
  });
}

const ROWS: readonly { name: string; octets: Uint8Array; want: ReturnType<typeof readClientHello> }[] = [
  { name: "nothing", octets: Uint8Array.of(), want: { kind: "more" } },
  { name: "no extensions at all", octets: records(message(null)), want: { kind: "other" } },
  {
    name: "no name",
    octets: records(message(extension(16, []))),
    want: { kind: "hello", serverName: null },
  },
  {
    name: "an unknown kind of name before the host name",
    octets: records(message(serverName(name("x", 1), name("mail.test")))),
    want: { kind: "hello", serverName: "mail.test" },
  },
  { name: "an empty list of names", octets: records(message(serverName())), want: { kind: "other" } },
  { name: "SMTP", octets: Buffer.from("EHLO mail.test\r\n"), want: { kind: "other" } },
  { name: "an alert", octets: Uint8Array.of(21, 3, 3, 0, 2, 2, 10), want: { kind: "other" } },
  { name: "an empty record", octets: Uint8Array.of(22, 3, 1, 0, 0), want: { kind: "other" } },
  {
    name: "another handshake message",
    octets: records([2, ...NAMED.slice(1)]),
    want: { kind: "other" },
  },
  {
    name: "a message longer than any",
    octets: records([1, 255, 255, 255]),
    want: { kind: "other" },
  },
  {
    name: "an extension longer than the message",
    octets: records(message([0, 0, 255, 255, 1])),
    want: { kind: "other" },
  },
  {
    name: "a name longer than its extension",
    octets: records(message(extension(0, [0, 20, 0, 0, 99, 65]))),
    want: { kind: "other" },
  },
  {
    name: "a session id longer than the message",
    octets: records([1, 0, 0, 40, 3, 3, ...Array(32).fill(7), 255, 1, 2, 3, 4, 5]),
    want: { kind: "other" },
  },
];
for (const { name, octets, want } of ROWS) {
  Deno.test(`readClientHello(): ${name}`, () => assert.deepEqual(readClientHello(octets), want));
}

Deno.test("what is looked at is bounded: a message that fills it is no reason to read on", () => {
  const endless = records([1, 0, 64, 16, ...Array(CLIENT_HELLO_OCTETS).fill(0)]);
  assert.deepEqual(readClientHello(endless), { kind: "other" });
});
