import assert from "node:assert/strict";
import { formatProblem, ProblemList } from "../../../src/config/problem.ts";
import { parseYaml, type SourceNode } from "../../../src/config/yaml_source.ts";

function parse(text: string): { node: SourceNode | null; problems: string[] } {
  const problems = new ProblemList("t");
  const node = parseYaml(text, problems);
  return { node, problems: problems.sorted().map(formatProblem) };
}

function plain(node: SourceNode): unknown {
  if (node.kind === "scalar") return node.text;
  if (node.kind === "list") return node.items.map(plain);
  return Object.fromEntries([...node.entries].map(([name, entry]) => [name, plain(entry.node)]));
}

function read(text: string): unknown {
  const { node, problems } = parse(text);
  assert.deepEqual(problems, []);
  assert.ok(node);
  return plain(node);
}

Deno.test("parseYaml() keeps every scalar as the text it was written as", () => {
  const words = ["on", "0600", "1e3", "1:30", "null", "~", "true", "60s", "2026-01-02", "0x1F", "1_000"];
  assert.deepEqual(read(words.map((word) => `- ${word}`).join("\n")), words);
  assert.deepEqual(read("a: 'x y'\nb: \"t\\ta\"\nc:\n"), { a: "x y", b: "t\ta", c: "" });
});

Deno.test("parseYaml() tells line, column and key of every node", () => {
  const { node } = parse("mail:\n  servers:\n    - listen: [a, b]\n");
  assert.ok(node?.kind === "map");
  const mail = node.entries.get("mail")?.node;
  const servers = mail?.kind === "map" ? mail.entries.get("servers")?.node : undefined;
  const server = servers?.kind === "list" ? servers.items[0] : undefined;
  const listen = server?.kind === "map" ? server.entries.get("listen") : undefined;
  assert.deepEqual(listen?.at, { key: "mail.servers[0].listen", line: 3, column: 7 });
  const second = listen?.node.kind === "list" ? listen.node.items[1] : undefined;
  assert.deepEqual(second, {
    kind: "scalar",
    text: "b",
    key: "mail.servers[0].listen[1]",
    line: 3,
    column: 19,
  });
});

Deno.test("parseYaml() follows aliases and merge keys, where a map's own keys win", () => {
  assert.deepEqual(read("a: &x {p: 1, q: 2}\nb: *x\nc: {<<: *x, q: 3}\nd: {<<: [*x, {r: 4, p: 5}]}"), {
    a: { p: "1", q: "2" },
    b: { p: "1", q: "2" },
    c: { q: "3", p: "1" },
    d: { p: "1", q: "2", r: "4" },
  });
});

Deno.test("parseYaml() builds the node of an anchor once, however often aliases name it", () => {
  const bomb = ["a0: &a0 [x]"];
  for (let i = 1; i < 60; i++) bomb.push(`a${i}: &a${i} [*a${i - 1}, *a${i - 1}]`);
  assert.equal(parse(bomb.join("\n")).problems.length, 0);
});

Deno.test("parseYaml() reports what it cannot read, and where", () => {
  const rows: readonly (readonly [string, RegExp])[] = [
    ["a: 1\nb: 2\na: 3\n", /^t:3:1: the key "a" was already given above$/],
    ["a: [1,\nb: 2\n", /^t:2:1: /],
    ["a:\n\tb: 1\n", /^t:2:1: .*[Tt]ab/],
    ["a: [::]:25\n", /^t:1:8: .*needs quotes$/],
    ["a: *:25\n", /^t:1:4: .*needs quotes$/],
    ["a: !x y\n", /^t:1:4: .*needs quotes$/],
    ["a: 10.0.0.1 unix: b\n", /^t:1:4: .*needs quotes$/],
    ["a: &a [*a]\n", /^t:1:8: a\[0\]: the alias "\*a" contains itself$/],
    ["a: {<<: x}\n", /^t:1:5: a\.<<: expected a map, or a list of maps, after "<<"$/],
    ["? [a]\n: b\n", /^t:1:3: a key must be a plain word$/],
    ["a: 1\n---\nb: 2\n", /^t:2:1: /],
  ];
  for (const [text, expected] of rows) assert.match(parse(text).problems[0] ?? "", expected, text);
});
