import assert from "node:assert/strict";
import { formatListen, listenEntries } from "../../../src/config/listen.ts";
import { readAs } from "./reading.ts";

const GOOD: readonly (readonly [string, readonly string[]])[] = [
  ["0.0.0.0:25", ["0.0.0.0:25"]],
  ["*:25", ["0.0.0.0:25"]],
  ["25", ["0.0.0.0:25"]],
  ["0", ["0.0.0.0:0"]],
  ["127.0.0.1:0", ["127.0.0.1:0"]],
  ["[::]:25", ["[::]:25"]],
  ["[0:0::1]:25", ["[::1]:25"]],
  ["unix:/run/postern.sock", ["unix:/run/postern.sock"]],
  ["127.0.0.1:2500-2503", ["127.0.0.1:2500", "127.0.0.1:2501", "127.0.0.1:2502", "127.0.0.1:2503"]],
  ["25-26", ["0.0.0.0:25", "0.0.0.0:26"]],
  ["*:25 ssl proxy_protocol backlog=64", ["0.0.0.0:25 ssl proxy_protocol backlog=64"]],
  ["25 reuseport bind", ["0.0.0.0:25 reuseport"]],
  ["25 backlog=511", ["0.0.0.0:25"]],
  ["[::]:25 ipv6only=OFF", ["[::]:25 ipv6only=off"]],
];

Deno.test("listen reads every form of an address", () => {
  for (const [text, expected] of GOOD) {
    const { value, problems } = readAs(listenEntries, JSON.stringify(text));
    assert.deepEqual(problems, [], text);
    assert.deepEqual(value?.map(formatListen), expected, text);
  }
});

Deno.test("listen takes a list, and one text in place of it", () => {
  assert.deepEqual(readAs(listenEntries, '["25", "*:26 ssl"]').value?.map(formatListen), [
    "0.0.0.0:25",
    "0.0.0.0:26 ssl",
  ]);
});

const BAD: readonly (readonly [string, RegExp])[] = [
  ["127.0.0.1", /^the port is missing: /],
  ["*", /^the port is missing: /],
  ["[::1]", /^the port is missing: /],
  ["", /^expected an address with a port .* found nothing$/],
  ["mx.example:25", /found the name "mx.example"/],
  ["localhost:25", /"127\.0\.0\.1" or "\[::1\]", found the name "localhost"/],
  ["127.0.0.1:65536", /found "127\.0\.0\.1:65536"/],
  ["127.0.0.1:26-25", /range of ports from low to high/],
  ["127.0.0.1:65535-65536", /range of ports from low to high/],
  ["127.0.0.1:0-3", /range of ports from low to high/],
  ["unix:run", /absolute path/],
  ["25 backlog=0", /backlog from 1/],
  ["25 backlog", /backlog from 1/],
  ["25 rcvbuf=8k", /"rcvbuf" cannot be honoured/],
  ["25 so_keepalive=on", /"so_keepalive" cannot be honoured/],
  ["25 multipath", /"multipath" cannot be honoured/],
  ["25 deferred", /"deferred" cannot be honoured/],
  ["25 constructor", /unknown parameter "constructor"/],
  ["25 ssl=on", /unknown parameter "ssl=on"/],
  ["25 ipv6only=on", /for IPv6 addresses only/],
  ["[::]:25 ipv6only=x", /ipv6only=on or ipv6only=off/],
];

Deno.test("listen says what is wrong with an address or a parameter", () => {
  for (const [text, expected] of BAD) {
    const { value, problems } = readAs(listenEntries, JSON.stringify(text));
    assert.equal(value, undefined, text);
    assert.equal(problems.length, 1, text);
    assert.match(problems[0] ?? "", expected, text);
  }
  assert.match(readAs(listenEntries, "[]").problems[0] ?? "", /found an empty list/);
  assert.match(readAs(listenEntries, "{a: 1}").problems[0] ?? "", /found a map/);
});
