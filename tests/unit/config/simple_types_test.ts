import assert from "node:assert/strict";
import {
  fileName,
  flag,
  hostName,
  integer,
  oneOf,
  only,
  processCount,
  size,
  time,
} from "../../../src/config/simple_types.ts";
import { listOf, orOff, type ValueType } from "../../../src/config/value_type.ts";
import { readAs } from "./reading.ts";

const words = listOf(oneOf(["plain", "login"]), { expected: "methods", words: true, least: 1 });
const mode = oneOf(["off", "v1", "v2"], { on: "v1" });

const GOOD: readonly (readonly [string, ValueType<never>, string, unknown])[] = ([
  ["flag", flag, "on", true],
  ["flag", flag, "OFF", false],
  ["flag", flag, "true", true],
  ["flag", flag, "False", false],
  ["choice", mode, "V2", "v2"],
  ["choice by another name", mode, "on", "v1"],
  ["choice by YAML's name", mode, "true", "v1"],
  ["number", integer({ least: 1, most: 9 }), "7", 7],
  ["number of processes", processCount, "64", 64],
  ["number of processes", processCount, "Auto", "auto"],
  ["time", time(), "90", 90_000],
  ["size", size({ least: 512, most: 8192 }), "4k", 4096],
  ["file", fileName, "a/b.pem", "/conf/a/b.pem"],
  ["absolute file", fileName, "/a/b.pem", "/a/b.pem"],
  ["host", hostName, "mail.example.com", "mail.example.com"],
  ["address literal", hostName, '"[192.0.2.1]"', "[192.0.2.1]"],
  ["absent", orOff(fileName), "off", null],
  ["absent in YAML's way", orOff(flag), "off", null],
  ["words", words, "login plain", ["login", "plain"]],
  ["list", words, "[login, plain]", ["login", "plain"]],
  ["the only value", only(time(), "12h", "so it is"), "720m", 43_200_000],
] as const) as never;

Deno.test("simple kinds of values read what they should, and print what they read", () => {
  for (const [name, type, text, expected] of GOOD) {
    const { value, problems } = readAs(type as ValueType<unknown>, text);
    assert.deepEqual(problems, [], name);
    assert.deepEqual(value, expected, name);
    const printed = JSON.stringify((type as ValueType<unknown>).print(value));
    assert.deepEqual(readAs(type as ValueType<unknown>, printed).value, expected, name);
  }
});

const BAD: readonly (readonly [string, ValueType<unknown>, string, RegExp])[] = [
  ["flag", flag, "yes", /^expected "on" or "off", found "yes"$/],
  ["flag", flag, "", /found nothing$/],
  ["flag", flag, "[on]", /found a list$/],
  ["choice", mode, "v3", /^expected one of "off", "v1", "v2", "on", found "v3"$/],
  ["choice", mode, "constructor", /found "constructor"$/],
  [
    "number too small",
    integer({ least: 1, most: 9 }),
    "0",
    /^expected a whole number from 1 to 9, found "0"$/,
  ],
  ["number too large", integer({ least: 1, most: 9 }), "10", /found "10"$/],
  ["processes", processCount, "0", /^expected "auto" or a whole number from 1 to 64, found "0"$/],
  ["number", integer({ least: 1, most: 9 }), "1e0", /found "1e0"$/],
  ["time", time(), "sixty", /^expected a time such as "60s" or "5m", found "sixty"$/],
  ["time too short", time(), "0", /^expected a time of at least 1ms, found "0"$/],
  ["time too long", time(), "2y", /^expected a time of at most one year, found "2y"$/],
  [
    "size too small",
    size({ least: 512, most: 8192 }),
    "511",
    /^expected a size from 512 to 8k, found "511"$/,
  ],
  [
    "size in another unit",
    size({ least: 512, most: 8192 }),
    "4KB",
    /^expected a size in octets, or such as "4k" or "10m", found "4KB"$/,
  ],
  ["size too large", size({ least: 512, most: 8192 }), "9k", /found "9k"$/],
  ["no file", fileName, '""', /^expected a file name, found nothing$/],
  ["no file", fileName, '"data:-----BEGIN"', /reads no "data:" values$/],
  ["engine", fileName, "engine:x:y", /reads no "engine:" values$/],
  ["host", hostName, "a b", /^expected a host name/],
  ["host with an end of line", hostName, '"a\\r\\nb"', /^expected a host name/],
  ["word", words, "login plian", /^expected one of "plain", "login", found "plian"$/],
  ["too few", words, "[]", /^expected methods, found an empty list$/],
  ["too few", words, '""', /^expected methods, found nothing$/],
  ["list in a list", words, "[[plain]]", /found a list$/],
  [
    "not the only value",
    only(flag, "off", "so it is"),
    "on",
    /^only "off" can be honoured, found "on": so it is$/,
  ],
  ["no value at all", only(flag, "off", "so it is"), "x", /^expected "off", found "x"$/],
];

Deno.test("simple kinds of values say what they expected and what they found", () => {
  for (const [name, type, text, expected] of BAD) {
    const { value, problems } = readAs(type, text);
    assert.equal(value, undefined, name);
    assert.match(problems.join("; "), expected, `${name}: ${text}`);
  }
});
