import assert from "node:assert/strict";
import { PostedLines } from "../../../src/app/posted_lines.ts";
import type { FromWorker } from "../../../src/app/worker_messages.ts";
import { JsonLog } from "../../../src/telemetry/json_log.ts";

type Lines = FromWorker & { readonly kind: "lines" };

Deno.test("PostedLines ends each write when its lines are written, and fails it when they are not", async () => {
  const posted: Lines[] = [];
  const lines = new PostedLines((message) => void posted.push(message as Lines));
  const [file, stream] = [lines.open({ kind: "file", path: "/a" }), lines.open({ kind: "stderr" })];
  const first = file.write(new Uint8Array([1, 2]));
  const second = stream.write(new Uint8Array([3]));
  assert.deepEqual(posted.map(({ to }) => to.kind), ["file", "stderr"]);
  lines.written(posted[1]!.ticket, false);
  await assert.rejects(second, /could not write/);
  lines.written(posted[0]!.ticket, true);
  assert.equal(await first, 2);
});

Deno.test("PostedLines makes a log gather lines while the first thread is behind", async () => {
  const posted: Lines[] = [];
  const lines = new PostedLines((message) => void posted.push(message as Lines));
  const log = new JsonLog(lines.open({ kind: "stderr" }), { level: "info" }, 2);
  log.event("info", "a", "m", null);
  await Promise.resolve();
  await Promise.resolve();
  log.event("info", "b", "m", null);
  log.event("info", "c", "m", null);
  const closed = log.close();
  assert.equal(posted.length, 1);
  lines.written(posted[0]!.ticket, true);
  while (posted.length < 2) await new Promise((resolve) => setTimeout(resolve, 0));
  lines.written(posted[1]!.ticket, true);
  await closed;
  const texts = posted.map(({ octets }) => new TextDecoder().decode(octets).trimEnd().split("\n"));
  assert.deepEqual(texts.map((batch) => batch.map((line) => JSON.parse(line).event)), [["a"], ["b", "c"]]);
  assert.ok(texts.flat().every((line) => JSON.parse(line).worker === 2));
});
