import assert from "node:assert/strict";
import { formatProblem, ProblemList, quoteFound } from "../../../src/config/problem.ts";

Deno.test("formatProblem() writes file, line, column, key and message on one line", () => {
  const problem = {
    file: "postern.yaml",
    line: 12,
    column: 5,
    key: "mail.timeout",
    code: "invalid_value",
    message: "m",
  } as const;
  assert.equal(formatProblem(problem), "postern.yaml:12:5: mail.timeout: m");
  assert.equal(formatProblem({ ...problem, key: "" }), "postern.yaml:12:5: m");
});

Deno.test("ProblemList sorts by place and keeps one of equal problems", () => {
  const list = new ProblemList("f");
  list.add({ key: "b", line: 2, column: 1 }, "missing", "second");
  list.add({ key: "a", line: 1, column: 9 }, "missing", "first");
  list.add({ key: "b", line: 2, column: 1 }, "missing", "second");
  assert.deepEqual(list.sorted().map(({ message }) => message), ["first", "second"]);
  assert.equal(list.count, 2);
  assert.ok(list.has("missing") && !list.has("syntax"));
});

Deno.test("quoteFound() keeps what was found on one line and short", () => {
  assert.equal(quoteFound(""), "nothing");
  assert.equal(quoteFound("a\nb"), '"a\\nb"');
  assert.equal(quoteFound("x".repeat(100)), `"${"x".repeat(77)}..."`);
});
