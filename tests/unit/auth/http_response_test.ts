import assert from "node:assert/strict";
import { HttpResponseReader, maxBodyOctets, maxHeadOctets } from "../../../src/auth/http_response.ts";
import { encodeLatin1 } from "../../../src/bytes/latin1.ts";

/** What a complete response is expected to be. */
interface Row {
  readonly name: string;
  readonly raw: string;
  readonly status: number;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the end is known from the octets and the connection can be used again. */
  readonly reusable: boolean;
}

const ok = "HTTP/1.1 200 OK\r\n";
const asked = [
  "Auth-Status",
  "Auth-Server",
  "Auth-Port",
  "Auth-User",
  "Auth-Pass",
  "Auth-Wait",
  "Auth-Error-Code",
  "Auth-Error-SASL",
  "Auth-Upstream-TLS",
  "Auth-Upstream-Auth",
  "Auth-Upstream-XCLIENT",
  "Auth-Upstream-Proxy-Protocol",
];
const rows: readonly Row[] = [
  {
    name: "a Content-Length body",
    raw: `${ok}Auth-Status: OK\r\nContent-Length: 5\r\n\r\nhello`,
    status: 200,
    headers: { "auth-status": "OK", "content-length": "5" },
    reusable: true,
  },
  { name: "an empty body", raw: `${ok}content-length:0\r\n\r\n`, status: 200, reusable: true },
  {
    name: "LF line ends",
    raw: "HTTP/1.1 200 OK\nAuth-Status:  OK \t\nContent-Length: 1\n\nx",
    status: 200,
    headers: { "auth-status": "OK", "content-length": "1" },
    reusable: true,
  },
  {
    name: "names in any case, of duplicates the last",
    raw: `${ok}auth-USER: a\r\nAuTh-pAsS:\tx\r\nAUTH-USER: b \r\nCONTENT-LENGTH: 0\r\n\r\n`,
    status: 200,
    headers: { "auth-user": "b", "auth-pass": "x", "content-length": "0" },
    reusable: true,
  },
  {
    name: "names with any token character, and none that nobody asks for",
    raw: `${ok}auth_user: a\r\nX.!#$%&'*+^\`|~9: y\r\nAuth-Use: a\r\nAuth-Users: a\r\nAuthMport: 1\r\n` +
      `Xuth-Port: 1\r\n!: \r\n${"n".repeat(300)}: \r\nContent-Length: 0\r\n\r\n`,
    status: 200,
    headers: { "content-length": "0" },
    reusable: true,
  },
  {
    name: "every name that is asked for",
    raw: `${ok}${asked.map((name, at) => `${name}: ${at}\r\n`).join("")}Content-Length: 0\r\n\r\n`,
    status: 200,
    headers: {
      ...Object.fromEntries(asked.map((name, at) => [name.toLowerCase(), `${at}`])),
      "content-length": "0",
    },
    reusable: true,
  },
  {
    name: "empty and blank values, an empty one instead of a former one",
    raw: `${ok}Auth-User:\r\nAuth-Pass: \t \r\nAuth-Port: 1\r\nAuth-Port:\r\nContent-Length: 0\r\n\r\n`,
    status: 200,
    headers: { "auth-user": "", "auth-pass": "", "auth-port": "", "content-length": "0" },
    reusable: true,
  },
  {
    name: "8-bit octets and colons in values",
    raw: `${ok}Auth-Pass: \xe9:\x80 x\r\nContent-Length: 0\r\n\r\n`,
    status: 200,
    headers: { "auth-pass": "\xe9:\x80 x", "content-length": "0" },
    reusable: true,
  },
  {
    name: "a chunked body with extension and trailer",
    raw: `${ok}Transfer-Encoding: Chunked\r\n\r\n4;x="1"\r\nab\r\n\r\n00A\r\n0123456789\r\n0\r\nT: 1\r\n\r\n`,
    status: 200,
    reusable: true,
  },
  {
    name: "interim responses before",
    raw: `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nAuth-Status: OK\r\n\r\n` +
      `${ok}Content-Length: 2\r\n\r\nab`,
    status: 200,
    headers: { "content-length": "2" },
    reusable: true,
  },
  { name: "status 204 without length", raw: "HTTP/1.1 204 No Content\r\n\r\n", status: 204, reusable: true },
  {
    name: "HTTP/1.0 with keep-alive",
    raw: "HTTP/1.0 200 OK\r\nConnection: x, Keep-Alive\r\nContent-Length: 1\r\n\r\nx",
    status: 200,
    reusable: true,
  },
  { name: "no reason phrase", raw: "HTTP/1.1 502\r\nContent-Length: 0\r\n\r\n", status: 502, reusable: true },
  {
    name: "an empty reason phrase",
    raw: "HTTP/1.1 502 \r\nContent-Length: 0\r\n\r\n",
    status: 502,
    reason: "",
    reusable: true,
  },
  {
    name: "a reason phrase of any octets",
    raw: "HTTP/1.9 599  \xe9\x01:\t \r\nContent-Length: 0\r\n\r\n",
    status: 599,
    reason: " \xe9\x01:\t ",
    reusable: true,
  },
  { name: "HTTP/1.0", raw: "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", status: 200, reusable: false },
  {
    name: "Connection: close in a second line",
    raw: `${ok}Connection: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`,
    status: 200,
    reusable: false,
  },
  { name: "no framing", raw: `${ok}\r\n`, status: 200, reusable: false },
  {
    name: "Content-Length besides chunked",
    raw: `${ok}Transfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n`,
    status: 200,
    reusable: false,
  },
  {
    name: "two Content-Lengths",
    raw: `${ok}Content-Length: 1\r\nContent-Length: 2\r\n\r\n`,
    status: 200,
    reusable: false,
  },
  { name: "a negative length", raw: `${ok}Content-Length: -1\r\n\r\n`, status: 200, reusable: false },
  {
    name: "a body that is too long",
    raw: `${ok}Content-Length: ${maxBodyOctets + 1}\r\n\r\n`,
    status: 200,
    reusable: false,
  },
  {
    name: "an unknown coding",
    raw: `${ok}Transfer-Encoding: gzip, chunked\r\n\r\n`,
    status: 200,
    reusable: false,
  },
  {
    name: "a malformed chunk size",
    raw: `${ok}Transfer-Encoding: chunked\r\n\r\nx`,
    status: 200,
    reusable: false,
  },
];

function check(reader: HttpResponseReader, row: Row, reusable = row.reusable) {
  assert.equal(reader.error, null);
  assert.equal(reader.state, "complete");
  assert.equal(reader.head?.status, row.status);
  if (row.reason !== undefined) assert.equal(reader.head.reason, row.reason);
  if (row.headers !== undefined) assert.deepEqual(Object.fromEntries(reader.head.headers), row.headers);
  assert.equal(reader.reusable, reusable);
}

for (const row of rows) {
  const octets = encodeLatin1(row.raw);

  Deno.test(`HttpResponseReader reads ${row.name}, whole`, () => {
    const reader = new HttpResponseReader();
    reader.feed(octets);
    check(reader, row);
  });

  Deno.test(`HttpResponseReader reads ${row.name}, octet by octet and again after reset()`, () => {
    const reader = new HttpResponseReader();
    for (let turn = 0; turn < 2; turn++) {
      for (let at = 0; at < octets.length; at++) {
        assert.match(reader.state, /head|body/, `octet ${at} is needed`);
        reader.feed(octets.subarray(at, at + 1));
      }
      check(reader, row);
      reader.reset();
    }
  });

  Deno.test(`HttpResponseReader reads ${row.name}, cut at every position`, () => {
    for (let cut = 1; cut < octets.length; cut++) {
      const reader = new HttpResponseReader();
      reader.feed(octets.subarray(0, cut));
      reader.feed(octets.subarray(cut));
      check(reader, row);
    }
  });

  Deno.test(`HttpResponseReader reads ${row.name} and sees octets behind it`, () => {
    const joined = new HttpResponseReader();
    joined.feed(encodeLatin1(row.raw + "H"));
    check(joined, row, false);
    const apart = new HttpResponseReader();
    apart.feed(octets);
    apart.feed(encodeLatin1("H"));
    check(apart, row, false);
  });
}

const faults = [
  {
    name: "another protocol",
    raw: "220 mx.test ESMTP\r\n",
    code: "invalid_response",
    text: /"220 mx.test ESMTP"/,
  },
  { name: "HTTP/2", raw: "HTTP/2 200\r\n", code: "invalid_response", text: /HTTP\/2 200/ },
  {
    name: "a status of two digits",
    raw: "HTTP/1.1 20 OK\r\n",
    code: "invalid_response",
    text: /status code/,
  },
  { name: "a status of 099", raw: "HTTP/1.1 099 OK\r\n", code: "invalid_response", text: /status code/ },
  { name: "a status of four digits", raw: "HTTP/1.1 2000\r\n", code: "invalid_response", text: /1.1 2000/ },
  { name: "a letter in the status", raw: "HTTP/1.1 2x0 OK\r\n", code: "invalid_response", text: /2x0/ },
  { name: "no minor version", raw: "HTTP/1. 200 OK\r\n", code: "invalid_response", text: /HTTP\/1. 200/ },
  {
    name: "the version in small letters",
    raw: "http/1.1 200 OK\r\n",
    code: "invalid_response",
    text: /http/,
  },
  {
    name: "a tab before the status",
    raw: "HTTP/1.1\t200 OK\r\n",
    code: "invalid_response",
    text: /\\x09200/,
  },
  { name: "a tab behind the status", raw: "HTTP/1.1 200\tOK\r\n", code: "invalid_response", text: /\\x09OK/ },
  { name: "NUL in the reason phrase", raw: "HTTP/1.1 200 O\0K\r\n", code: "invalid_response", text: /\\x00/ },
  { name: "a short status line", raw: "HTTP/1.1 20\r\n", code: "invalid_response", text: /HTTP\/1.1 20/ },
  { name: "a status of 600", raw: "HTTP/1.1 600 X\r\n", code: "invalid_response", text: /status code/ },
  { name: "CR in the status line", raw: "HTTP/1.1 200 O\rK\r\n", code: "invalid_response", text: /\\x0D/ },
  { name: "an empty line first", raw: "\r\n", code: "invalid_response", text: /got ""/ },
  { name: "101", raw: "HTTP/1.1 101 Switching\r\n\r\n", code: "invalid_response", text: /101/ },
  {
    name: "headers at once",
    raw: "Auth-Pass: secret\r\n",
    code: "invalid_response",
    text: /"Auth-Pass"\.\.\./,
  },
  { name: "a folded header", raw: `${ok}A: 1\r\n secret\r\n`, code: "invalid_header", text: /line 3.*0x20/ },
  { name: "a blank in a name", raw: `${ok}Auth Pass: secret\r\n`, code: "invalid_header", text: /column 5/ },
  { name: "no colon", raw: `${ok}secret\r\n`, code: "invalid_header", text: /end of the line/ },
  { name: "no name", raw: `${ok}: secret\r\n`, code: "invalid_header", text: /0x3a at column 1/ },
  {
    name: "CR instead of the hyphen of a name",
    raw: `${ok}auth\ruser: secret\r\n`,
    code: "invalid_header",
    text: /0x0d at column 5/,
  },
  {
    name: "NUL in the value of a header that nobody asks for",
    raw: `${ok}Date: secret\0\r\n`,
    code: "invalid_header",
    text: /CR or NUL in line 2/,
  },
  {
    name: "two CRs at the end of a line",
    raw: `${ok}A: secret\r\r\n`,
    code: "invalid_header",
    text: /CR or NUL in line 2/,
  },
  {
    name: "a name alone",
    raw: `${ok}Auth-Pass\r\n`,
    code: "invalid_header",
    text: /end of the line at column 10/,
  },
  { name: "an 8-bit name", raw: `${ok}\xe9: secret\r\n`, code: "invalid_header", text: /0xe9/ },
  {
    name: "CR in a value",
    raw: `${ok}A: secret\rx\r\n`,
    code: "invalid_header",
    text: /CR or NUL in line 2/,
  },
  {
    name: "NUL in a value",
    raw: `${ok}A: secret\0\r\n`,
    code: "invalid_header",
    text: /CR or NUL in line 2/,
  },
  { name: "an endless line", raw: "H".repeat(maxHeadOctets + 1), code: "too_large", text: /65536/ },
  {
    name: "endless headers",
    raw: ok + `A: ${"x".repeat(996)}\n`.repeat(66),
    code: "too_large",
    text: /65536/,
  },
  {
    name: "endless interim responses",
    raw: "HTTP/1.1 100 Continue\r\n\r\n".repeat(3000),
    code: "too_large",
    text: /65536/,
  },
] as const;

for (const { name, raw, code, text } of faults) {
  Deno.test(`HttpResponseReader fails with ${code} at ${name}, in any segmentation, and shows no value`, () => {
    const octets = encodeLatin1(raw);
    for (const size of [octets.length, 7, 1]) {
      const reader = new HttpResponseReader();
      for (let at = 0; at < octets.length; at += size) reader.feed(octets.subarray(at, at + size));
      assert.equal(reader.state, "failed");
      assert.equal(reader.head, null);
      assert.equal(reader.reusable, false);
      assert.equal(reader.error?.code, code);
      assert.match(reader.error.message, text);
      assert.doesNotMatch(reader.error.message, /secret/);
    }
  });
}

Deno.test("HttpResponseReader takes a head of exactly the largest size", () => {
  const frame = `${ok}Content-Length: 0\r\nAuth-Pass: \r\n\r\n`;
  const value = "\xe9".repeat(maxHeadOctets - frame.length);
  const octets = encodeLatin1(frame.replace("Auth-Pass: ", `Auth-Pass: ${value}`));
  assert.equal(octets.length, maxHeadOctets);
  for (const size of [octets.length, 2048]) {
    const reader = new HttpResponseReader();
    for (let at = 0; at < octets.length; at += size) reader.feed(octets.subarray(at, at + size));
    assert.equal(reader.state, "complete");
    assert.equal(reader.head?.headers.get("auth-pass"), value);
  }
});

Deno.test("HttpResponseReader takes no octets that lie behind those it is told of, at any segmentation", () => {
  const raw = `${ok}Transfer-Encoding: chunked\r\nAuth-Status: OK\r\n\r\n2\r\nab\r\n0\r\n\r\n`;
  const octets = encodeLatin1(raw);
  for (let size = 1; size <= octets.length; size++) {
    const reader = new HttpResponseReader();
    const buffer = new Uint8Array(octets.length + 8).fill(0x0a);
    for (let at = 0; at < octets.length; at += size) {
      const part = octets.subarray(at, at + size);
      buffer.set(part);
      reader.feed(buffer, part.length);
    }
    assert.equal(reader.state, "complete");
    assert.equal(reader.reusable, true);
    assert.equal(reader.head?.headers.get("auth-status"), "OK");
  }
});

Deno.test("HttpResponseReader offers the head while the body is still to come", () => {
  const reader = new HttpResponseReader();
  reader.feed(encodeLatin1(`${ok}Content-Length: 2\r\n\r\na`));
  assert.equal(reader.state, "body");
  assert.equal(reader.head?.status, 200);
  reader.end();
  assert.equal(reader.state, "complete");
  assert.equal(reader.reusable, false);
});

Deno.test("HttpResponseReader gives up on a chunked body that is too long", () => {
  const reader = new HttpResponseReader();
  reader.feed(encodeLatin1(`${ok}Transfer-Encoding: chunked\r\n\r\n`));
  const chunk = encodeLatin1("8000\r\n" + "x".repeat(0x8000) + "\r\n");
  let chunks = 0;
  while (reader.state === "body" && chunks < 40) {
    reader.feed(chunk);
    chunks++;
  }
  assert.equal(chunks, 32);
  assert.equal(reader.state, "complete");
  assert.equal(reader.reusable, false);
});

Deno.test("HttpResponseReader tells an early end of the connection before and within the head", () => {
  const silent = new HttpResponseReader();
  assert.equal(silent.untouched, true);
  silent.end();
  assert.equal(silent.error?.code, "closed");
  assert.match(silent.error.message, /got nothing/);
  const broken = new HttpResponseReader();
  broken.feed(encodeLatin1("HTTP/1.1 2"));
  broken.end();
  assert.equal(broken.untouched, false);
  assert.match(broken.error?.message ?? "", /got 10 octets/);
});
