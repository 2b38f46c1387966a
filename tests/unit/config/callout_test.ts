import assert from "node:assert/strict";
import { authHttpHeaders, authHttpService, authHttpTarget } from "../../../src/config/callout.ts";
import { readAs } from "./reading.ts";

const tcp = (host: string, port: number) => ({ kind: "tcp", host, port });

Deno.test("auth_http reads every form of a URL", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["localhost:9000/cgi-bin/auth", {
      scheme: "http",
      address: tcp("localhost", 9000),
      host: "localhost",
      uri: "/cgi-bin/auth",
    }],
    ["http://127.0.0.1", { scheme: "http", address: tcp("127.0.0.1", 80), host: "127.0.0.1", uri: "/" }],
    ["HTTPS://auth.example.com", {
      scheme: "https",
      address: tcp("auth.example.com", 443),
      host: "auth.example.com",
      uri: "/",
    }],
    ["http://[::1]:9000/a?b=c", { scheme: "http", address: tcp("::1", 9000), host: "[::1]", uri: "/a?b=c" }],
    ["http://h?x=1", { scheme: "http", address: tcp("h", 80), host: "h", uri: "/?x=1" }],
    ["h/a@b", { scheme: "http", address: tcp("h", 80), host: "h", uri: "/a@b" }],
    ["unix:/run/auth.sock", {
      scheme: "http",
      address: { kind: "unix", path: "/run/auth.sock" },
      host: "localhost",
      uri: "/",
    }],
    ["http://unix:/run/a.sock:/auth?x", {
      scheme: "http",
      address: { kind: "unix", path: "/run/a.sock" },
      host: "localhost",
      uri: "/auth?x",
    }],
  ];
  for (const [text, expected] of rows) {
    const { value, problems } = readAs(authHttpTarget, JSON.stringify(text));
    assert.deepEqual(problems, [], text);
    assert.deepEqual(value, expected, text);
    assert.deepEqual(
      value && readAs(authHttpTarget, JSON.stringify(authHttpTarget.print(value))).value,
      expected,
      text,
    );
  }
});

Deno.test("auth_http reads how often a service may fail", () => {
  const rows:
    readonly (readonly [text: string, max_fails: number | null, fail_timeout: number, printed: string])[] = [
      ["http://h/a", null, 10_000, "http://h:80/a"],
      ["http://h/a  max_fails=3", 3, 10_000, "http://h:80/a max_fails=3"],
      ["h fail_timeout=1m max_fails=0", 0, 60_000, "http://h:80/ max_fails=0 fail_timeout=1m"],
    ];
  for (const [text, max_fails, fail_timeout, printed] of rows) {
    const { value, problems } = readAs(authHttpService, JSON.stringify(text));
    assert.deepEqual(problems, [], text);
    assert.deepEqual([value?.max_fails, value?.fail_timeout], [max_fails, fail_timeout], text);
    assert.equal(value && authHttpService.print(value), printed);
  }
  for (
    const word of ["weight=1", "max_fails", "max_fails=-1", "fail_timeout=0", "fail_timeout=2d", "backup"]
  ) {
    const { problems } = readAs(authHttpService, `"http://h/ ${word}"`);
    assert.match(
      problems.join(),
      /expected "max_fails=N" or "fail_timeout=TIME" \(up to a day\) after the URL/,
      word,
    );
  }
});

Deno.test("auth_http says what is wrong with a URL", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["", /^expected a URL/],
    ["ftp://h/", /^expected a URL .*found "ftp:\/\/h\/"$/],
    ["http://", /^expected a URL/],
    ["http://h:0/", /port from 1/],
    ["http://h:70000/", /^expected a URL/],
    ["http://h/a b", /visible ASCII/],
    ["http://h/a\r\nX: y", /visible ASCII/],
    ["http://h/#top", /visible ASCII/],
    ["unix:", /absolute path/],
    ["unix:auth.sock", /absolute path/],
  ];
  for (const [text, expected] of rows) {
    assert.match(readAs(authHttpTarget, JSON.stringify(text)).problems[0] ?? "", expected, text);
  }
});

Deno.test("auth_http shows no password that stands in a URL", () => {
  for (const text of ["http://u:hunter2@h/", "ftp://u:hunter2@h", "u:hunter2@h"]) {
    const message = readAs(authHttpTarget, text).problems.join();
    assert.match(message, /user or password/);
    assert.ok(!message.includes("hunter2"));
  }
});

Deno.test("auth_http_header reads a text, a list of texts, and a map", () => {
  const rows: readonly (readonly [string, unknown])[] = [
    ["X-Key  secret", [{ name: "X-Key", value: "secret" }]],
    ["[X-A 1, X-B]", [{ name: "X-A", value: "1" }, { name: "X-B", value: "" }]],
    ["{X-A: a b, X-B: '$remote_addr:${remote_port}'}", [{ name: "X-A", value: "a b" }, {
      name: "X-B",
      value: "$remote_addr:${remote_port}",
    }]],
    ["{X-A: cost $5 $}", [{ name: "X-A", value: "cost $5 $" }]],
    ["[]", []],
  ];
  for (const [text, expected] of rows) {
    const { value, problems } = readAs(authHttpHeaders, text);
    assert.deepEqual(problems, [], text);
    assert.deepEqual(value, expected, text);
    assert.deepEqual(
      value && readAs(authHttpHeaders, JSON.stringify(authHttpHeaders.print(value))).value,
      expected,
    );
  }
});

Deno.test("auth_http_header refuses what would break or change the request, and shows no value", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ['"X-A: hunter2"', /expected a header name .*found "X-A:"$/],
    ['{"X\\r\\nY": hunter2}', /expected a header name .*found "X\\r\\nY"$/],
    ['{X-A: "hunter2\\r\\nX-B: 1"}', /the value of "X-A" has a control character/],
    ['{X-A: "hunter2\\0"}', /the value of "X-A" has a control character/],
    ["{X-A: hunter2$word}", /the value of "X-A" has an unknown variable: expected one of \$remote_addr, /],
    ['{X-A: "${remote_addr hunter2"}', /unknown variable/],
    ["{X-A: [hunter2]}", /expected a header as "NAME VALUE", found a list/],
    ['""', /expected a header as "NAME VALUE"$/],
  ];
  for (const [text, expected] of rows) {
    const { value, problems } = readAs(authHttpHeaders, text);
    assert.equal(value, undefined, text);
    assert.match(problems[0] ?? "", expected, text);
    assert.ok(!problems.join().includes("hunter2") && !problems.join().includes("word"), text);
  }
});
