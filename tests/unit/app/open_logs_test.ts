import assert from "node:assert/strict";
import { type Logs, openLogs } from "../../../src/app/open_logs.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config, ServerSettings } from "../../../src/config/settings.ts";
import { sessionRecord } from "../telemetry/access_records.ts";
import { withTempDir } from "../../support/temp_dir.ts";

function configOf(directory: string, logs: string, ...servers: readonly string[]): Config {
  const entries = servers.map((server, index) => `    - { listen: ${2501 + index}${server} }\n`).join("");
  const text = `mail:\n  auth_http: 127.0.0.1:1\n${logs}  servers:\n${entries}`;
  const config = loadConfig(text, `${directory}/postern.yaml`, {
    readText: () => assert.fail("no file is to be read"),
    hostname: () => "box.example",
  });
  assert.ok(!Array.isArray(config), JSON.stringify(config));
  return config as Config;
}

function textIn(directory: string, name: string): string {
  return Deno.readTextFileSync(`${directory}/${name}`).replace(/^.*#\d+: /gm, "");
}

Deno.test("openLogs(): each server's sessions go to the structured log and to its own error_log", async () => {
  await withTempDir(async (directory) => {
    const logs = "  log: all.json\n  error_log: [mail.log info, crit.log crit]\n";
    const config = configOf(directory, logs, "", ", error_log: own.log notice");
    const opened = openLogs(config);
    const [inheriting, own] = config.servers.map((settings) => opened.forServer(settings));
    opened.process.event("notice", "a", "process", null);
    inheriting!.event("crit", "b", "inheriting", null);
    own!.event("info", "c", "below notice", null);
    own!.event("notice", "d", "own", null);
    await opened.close();
    assert.equal(textIn(directory, "mail.log"), "process\ninheriting\n");
    assert.equal(textIn(directory, "crit.log"), "inheriting\n");
    assert.equal(textIn(directory, "own.log"), "own\n");
    const structured = textIn(directory, "all.json").trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(structured.map(({ event }) => event), ["a", "b", "c", "d"]);
  });
});

Deno.test("openLogs(): without error_log there is the structured log and nothing else", async () => {
  await withTempDir(async (directory) => {
    const config = configOf(directory, "  log: all.json\n", "");
    const opened = openLogs(config);
    assert.equal(opened.forServer(config.servers[0]!), opened.process);
    await opened.close();
    assert.deepEqual(Array.from(Deno.readDirSync(directory), ({ name }) => name), ["all.json"]);
  });
});

Deno.test("openLogs(): all files are opened again after rotation", async () => {
  await withTempDir(async (directory) => {
    const config = configOf(directory, "  log: all.json\n  error_log: mail.log\n", ", error_log: own.log");
    const opened = openLogs(config);
    const names = ["all.json", "mail.log", "own.log"];
    for (const name of names) await Deno.rename(`${directory}/${name}`, `${directory}/${name}.1`);
    await opened.reopen();
    opened.process.event("error", "a", "process", null);
    opened.forServer(config.servers[0]!).event("error", "b", "session", null);
    await opened.close();
    assert.deepEqual(names.map((name) => textIn(directory, name) !== ""), [true, true, true]);
    assert.deepEqual(names.map((name) => textIn(directory, `${name}.1`)), ["", "", ""]);
  });
});

Deno.test("openLogs() throws when one file cannot be opened, and leaves none open", async () => {
  await withTempDir((directory) => {
    const config = configOf(directory, "  log: all.json\n  error_log: [mail.log, none/mail.log]\n", "");
    assert.throws(() => openLogs(config), Deno.errors.NotFound);
    return Promise.resolve();
  });
});

/** The session of a test as the driver would tell it. */
function tell(opened: Logs, settings: ServerSettings, id: string): void {
  opened.forServer(settings).event("info", "a", id, null);
  opened.accessFor(settings)?.session(sessionRecord({ context: { id } }));
}

Deno.test("openLogs(): each server's sessions go to its own access logs, which may be where the log is", async () => {
  await withTempDir(async (directory) => {
    const logs = "  log: all.json\n";
    const config = configOf(
      directory,
      logs,
      "",
      ", access_log: [all.json, own.log format=text]",
      ", access_log: off",
      ", access_log: own.log format=text",
    );
    const opened = openLogs(config);
    for (const [index, settings] of config.servers.entries()) tell(opened, settings, `s${index}`);
    await opened.close();
    const all = textIn(directory, "all.json").trimEnd().split("\n").map((line) => JSON.parse(line));
    assert.deepEqual(all.map(({ event, msg, session }) => [event, msg ?? session]), [
      ["a", "s0"],
      ["session_closed", "s0"],
      ["a", "s1"],
      ["session_closed", "s1"],
      ["a", "s2"],
      ["a", "s3"],
    ]);
    const own = textIn(directory, "own.log").trimEnd().split("\n");
    assert.deepEqual(own.map((line) => / session=(\S+)/.exec(line)?.[1]), ["s1", "s3"]);
  });
});

Deno.test("openLogs(): access logs are opened again after rotation", async () => {
  await withTempDir(async (directory) => {
    const names = ["all.json", "own.log"];
    const config = configOf(directory, "  log: all.json\n", ", access_log: [own.log, all.json]");
    const opened = openLogs(config);
    for (const name of names) await Deno.rename(`${directory}/${name}`, `${directory}/${name}.1`);
    await opened.reopen();
    tell(opened, config.servers[0]!, "s");
    await opened.close();
    assert.deepEqual(names.map((name) => textIn(directory, name).split("\n").length), [3, 2]);
    assert.deepEqual(names.map((name) => textIn(directory, `${name}.1`)), ["", ""]);
  });
});
