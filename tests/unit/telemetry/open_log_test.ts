import assert from "node:assert/strict";
import { LogOutputs } from "../../../src/telemetry/log_outputs.ts";
import { type LogTarget, openLog as openLogFrom } from "../../../src/telemetry/open_log.ts";

function openLog(target: LogTarget) {
  const outputs = new LogOutputs();
  return openLogFrom(target, { open: (to) => outputs.open(to), worker: null });
}

Deno.test("openLog() writes nothing when the log is off", async () => {
  const log = openLog({ to: { kind: "off" }, level: "debug" });
  assert.equal(log.enabled("emerg"), false);
  log.event("emerg", "a", "m", null);
  await log.reopen();
  await log.close();
});

Deno.test("openLog() writes to a file from the level on", async () => {
  const path = await Deno.makeTempFile();
  try {
    const log = openLog({ to: { kind: "file", path }, level: "warn" });
    log.event("notice", "quiet", "m", null);
    log.event("warn", "loud", "m", null);
    await log.close();
    assert.match(await Deno.readTextFile(path), /^\{[^\n]*"event":"loud"[^\n]*\}\n$/);
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("openLog() throws when the file cannot be opened", () => {
  const to = { kind: "file", path: "/nonexistent/postern.log" } as const;
  assert.throws(() => openLog({ to, level: "info" }), Deno.errors.NotFound);
});

for (const kind of ["stdout", "stderr"] as const) {
  Deno.test(`openLog() leaves ${kind} open`, async () => {
    const log = openLog({ to: { kind }, level: "emerg" });
    log.event("alert", "unseen", "m", null);
    await log.close();
    (kind === "stdout" ? Deno.stdout : Deno.stderr).writeSync(new Uint8Array());
  });
}
