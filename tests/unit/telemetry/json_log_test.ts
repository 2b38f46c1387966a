import assert from "node:assert/strict";
import { JsonLog } from "../../../src/telemetry/json_log.ts";
import { within } from "../../support/patience.ts";
import { type LogSink, openFile } from "../../../src/telemetry/log_sink.ts";

/** A sink in memory: writes wait while `hold()` is in force, and fail while `broken` is set. */
class MemorySink implements LogSink {
  readonly writes: string[] = [];
  broken = false;
  closed = false;
  reopened = 0;
  takeAtMost = Infinity;
  /** Resolved by the first write. */
  readonly wrote = Promise.withResolvers<void>();
  #gate: PromiseWithResolvers<void> | null = null;

  hold(): void {
    this.#gate = Promise.withResolvers();
  }
  release(): void {
    this.#gate?.resolve();
    this.#gate = null;
  }
  async write(octets: Uint8Array): Promise<number> {
    await this.#gate?.promise;
    if (this.broken) throw new Deno.errors.BrokenPipe("nobody reads");
    const taken = octets.subarray(0, this.takeAtMost);
    this.writes.push(new TextDecoder().decode(taken));
    this.wrote.resolve();
    return taken.length;
  }
  reopen(): Promise<void> {
    if (this.broken) return Promise.reject(new Deno.errors.PermissionDenied("not yours"));
    this.reopened++;
    return Promise.resolve();
  }
  close(): void {
    this.closed = true;
  }
  lines(): Record<string, unknown>[] {
    return this.writes.join("").split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
  }
  events(): unknown[] {
    return this.lines().map((line) => line["event"]);
  }
}

function memoryLog(): { sink: MemorySink; log: JsonLog } {
  const sink = new MemorySink();
  return { sink, log: new JsonLog(sink, { level: "info", now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6) }) };
}

Deno.test("JsonLog stamps lines with ISO 8601 milliseconds", async () => {
  const { sink, log } = memoryLog();
  log.event("info", "ready", "m", null);
  await log.flush();
  assert.equal(sink.lines()[0]?.["ts"], "2026-01-02T03:04:05.006Z");
});

Deno.test("JsonLog writes the lines of one turn with one call, in order", async () => {
  const { sink, log } = memoryLog();
  for (const event of ["a", "b", "c"]) log.event("info", event, "m", null);
  assert.equal(sink.writes.length, 0);
  await log.flush();
  assert.equal(sink.writes.length, 1);
  assert.deepEqual(sink.events(), ["a", "b", "c"]);
});

Deno.test("JsonLog writes nothing below its level", async () => {
  const { sink, log } = memoryLog();
  assert.equal(log.enabled("debug"), false);
  assert.equal(log.enabled("info"), true);
  assert.equal(log.enabled("emerg"), true);
  log.event("debug", "a", "m", null);
  await log.flush();
  assert.deepEqual(sink.writes, []);
});

Deno.test("JsonLog finishes a line that the sink takes in pieces", async () => {
  const { sink, log } = memoryLog();
  sink.takeAtMost = 10;
  log.event("info", "a", "m", null);
  await log.flush();
  assert.ok(sink.writes.length > 1);
  assert.deepEqual(sink.events(), ["a"]);
});

Deno.test("JsonLog bounds the lines that wait, and reports how many it dropped", async () => {
  const { sink, log } = memoryLog();
  sink.hold();
  const filler = "x".repeat(64 * 1024);
  for (let count = 0; count < 40; count++) log.event("info", "a", filler, null);
  sink.release();
  await log.flush();
  const written = sink.events().filter((event) => event === "a").length;
  assert.ok(sink.writes.join("").length < 1024 * 1024 + 1024);
  const last = sink.lines().at(-1);
  assert.equal(last?.["event"], "log_dropped");
  assert.equal(last?.["level"], "warn");
  assert.equal(last?.["lines"], 40 - written);
  assert.ok(written >= 15 && written < 40);
});

Deno.test("JsonLog tells at once of every line that is lost, whether the sink fails or is too slow", async () => {
  const sink = new MemorySink();
  let lost = 0;
  const log = new JsonLog(sink, { level: "info", lost: (lines) => lost += lines });
  sink.broken = true;
  log.event("info", "a", "m", null);
  await log.flush();
  assert.equal(lost, 1);
  sink.hold();
  for (let count = 0; count < 3; count++) log.event("info", "a", "x".repeat(700 * 1024), null);
  assert.equal(lost, 3);
  sink.release();
  await log.close();
});

Deno.test("JsonLog survives a sink that fails, and tells the loss when it works again", async () => {
  const { sink, log } = memoryLog();
  sink.broken = true;
  log.event("info", "lost", "m", null);
  await log.flush();
  log.event("info", "lost_too", "m", null);
  await log.flush();
  sink.broken = false;
  log.event("info", "kept", "m", null);
  await log.flush();
  assert.deepEqual(sink.events(), ["kept", "log_dropped"]);
  assert.equal(sink.lines()[1]?.["lines"], 2);
});

Deno.test("JsonLog begins a new line after a torn one", async () => {
  const { sink, log } = memoryLog();
  sink.takeAtMost = 10;
  const write = sink.write.bind(sink);
  sink.write = (octets) => {
    if (sink.writes.length > 0) sink.broken = true;
    return write(octets);
  };
  log.event("info", "torn", "m", null);
  await log.flush();
  sink.broken = false;
  sink.write = write;
  sink.takeAtMost = Infinity;
  log.event("info", "whole", "m", null);
  await log.flush();
  const [torn, whole] = sink.writes.join("").split("\n");
  assert.equal(torn?.length, 10);
  assert.equal(JSON.parse(whole ?? "").event, "whole");
});

Deno.test("JsonLog.flush() gives up on a sink that takes nothing", async () => {
  const sink = new MemorySink();
  const log = new JsonLog(sink, { level: "info", flushMs: 1 });
  sink.hold();
  log.event("info", "a", "m", null);
  await log.flush();
  assert.deepEqual(sink.writes, []);
  await log.close();
  assert.equal(sink.closed, true);
  sink.release();
});

Deno.test("JsonLog gathers lines for a while where it is told to", async () => {
  const sink = new MemorySink();
  const log = new JsonLog(sink, { level: "info", gatherMs: 5 });
  log.event("info", "a", "m", null);
  for (let turns = 0; turns < 20; turns++) await Promise.resolve();
  assert.equal(sink.writes.length, 0);
  log.event("info", "b", "m", null);
  await within(sink.wrote.promise, () => "the lines are not written");
  assert.deepEqual([sink.writes.length, sink.events()], [1, ["a", "b"]]);
  await log.close();
});

const HASTE: readonly (readonly [string, (log: JsonLog) => void])[] = [
  ["a severe line", (log) => log.event("crit", "b", "m", null)],
  ["many lines", (log) => log.event("info", "b", "m".repeat(64 * 1024), null)],
  ["flush()", (log) => void log.flush()],
  ["reopen()", (log) => void log.reopen()],
  ["close()", (log) => void log.close()],
];
for (const [name, act] of HASTE) {
  Deno.test(`JsonLog waits for no more lines after ${name}`, async () => {
    const sink = new MemorySink();
    const log = new JsonLog(sink, { level: "info", gatherMs: 3_600_000 });
    log.event("info", "a", "m", null);
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    assert.equal(sink.writes.length, 0);
    act(log);
    for (let turns = 0; turns < 20; turns++) await Promise.resolve();
    assert.equal(sink.events()[0], "a");
    await log.close();
    assert.equal(sink.closed, true);
  });
}

Deno.test("JsonLog.close() writes what waits, then ignores events", async () => {
  const { sink, log } = memoryLog();
  log.event("info", "a", "m", null);
  await log.close();
  assert.equal(sink.closed, true);
  assert.equal(log.enabled("emerg"), false);
  log.event("emerg", "b", "m", null);
  await log.flush();
  await log.close();
  assert.deepEqual(sink.events(), ["a"]);
});

Deno.test("JsonLog.reopen() logs its failure to the sink as it was", async () => {
  const { sink, log } = memoryLog();
  sink.reopen = () => Promise.reject(new Deno.errors.PermissionDenied("not yours"));
  await log.reopen();
  assert.deepEqual(sink.events(), ["log_reopen_failed"]);
  assert.match(String(sink.lines()[0]?.["msg"]), /not yours/);
});

Deno.test("JsonLog.reopen() follows a rotated file without losing a line", async () => {
  const directory = await Deno.makeTempDir();
  try {
    const path = `${directory}/postern.log`;
    const log = new JsonLog(openFile(path), { level: "info" });
    log.event("info", "before", "m", null);
    await log.flush();
    await Deno.rename(path, `${path}.1`);
    log.event("info", "between", "m", null);
    await log.flush();
    await log.reopen();
    log.event("info", "after", "m", null);
    await log.close();
    assert.match(await Deno.readTextFile(`${path}.1`), /"before".*\n.*"between".*\n$/);
    assert.match(await Deno.readTextFile(path), /^[^\n]*"after"[^\n]*\n$/);
    assert.equal((await Deno.stat(path)).mode! & 0o777, 0o640);
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
});

Deno.test("openFile() appends to a file that is there", async () => {
  const path = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(path, "kept\n");
    const log = new JsonLog(openFile(path), { level: "info" });
    log.event("info", "added", "m", null);
    await log.close();
    assert.match(await Deno.readTextFile(path), /^kept\n\{.*"added".*\}\n$/);
  } finally {
    await Deno.remove(path);
  }
});
