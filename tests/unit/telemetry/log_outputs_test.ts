import assert from "node:assert/strict";
import { LogOutputs } from "../../../src/telemetry/log_outputs.ts";
import { withTempDir } from "../../support/temp_dir.ts";

const encoder = new TextEncoder();

/** Lines that no single write of the system takes whole into a pipe. */
function lines(letter: string): Uint8Array {
  return encoder.encode(`${letter.repeat(200_000)}\n`.repeat(5));
}

Deno.test("LogOutputs keeps the lines of several logs whole, to a pipe too", async () => {
  await withTempDir(async (directory) => {
    const path = `${directory}/pipe`;
    const made = await new Deno.Command("mkfifo", { args: [path] }).output();
    assert.ok(made.success);
    // Opening a pipe for writing waits for its reader.
    const reading = new Deno.Command("cat", { args: [path], stdout: "piped" }).output();
    const outputs = new LogOutputs();
    const sinks = ["a", "b", "c"].map((letter) => ({ letter, sink: outputs.open({ kind: "file", path }) }));
    await Promise.all(sinks.map(({ letter, sink }) => sink.write(lines(letter))));
    for (const { sink } of sinks) sink.close();
    const found = new TextDecoder().decode((await reading).stdout).trimEnd().split("\n");
    assert.deepEqual(found.map((line) => `${line[0]}${line.length}`).toSorted(), [
      ...Array(5).fill("a200000"),
      ...Array(5).fill("b200000"),
      ...Array(5).fill("c200000"),
    ]);
    for (const line of found) assert.ok(line === line[0]!.repeat(200_000), "a line is cut");
  });
});

Deno.test("LogOutputs closes a file with its last log", async () => {
  await withTempDir(async (directory) => {
    const outputs = new LogOutputs();
    const to = { kind: "file", path: `${directory}/a.log` } as const;
    const [first, second] = [outputs.open(to), outputs.open(to)];
    first.close();
    assert.equal(await second.write(encoder.encode("one\n")), 4);
    second.close();
    await assert.rejects(second.write(encoder.encode("lost\n")), Deno.errors.BadResource);
    const again = outputs.open(to);
    await again.write(encoder.encode("two\n"));
    again.close();
    assert.equal(await Deno.readTextFile(to.path), "one\ntwo\n");
  });
});

Deno.test("LogOutputs goes on after a destination failed", async () => {
  await withTempDir(async (directory) => {
    const outputs = new LogOutputs();
    const path = `${directory}/a.log`;
    const sink = outputs.open({ kind: "file", path });
    await Deno.rename(path, `${directory}/a.log.1`);
    await Deno.mkdir(path);
    await assert.rejects(sink.reopen());
    await sink.write(encoder.encode("still there\n"));
    await Deno.remove(path);
    await sink.reopen();
    await sink.write(encoder.encode("new\n"));
    sink.close();
    assert.equal(await Deno.readTextFile(`${directory}/a.log.1`), "still there\n");
    assert.equal(await Deno.readTextFile(path), "new\n");
  });
});

Deno.test("LogOutputs takes everything for a log that is off", async () => {
  const sink = new LogOutputs().open({ kind: "off" });
  assert.equal(await sink.write(encoder.encode("x\n")), 2);
  await sink.reopen();
  sink.close();
});
