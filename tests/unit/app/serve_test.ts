import assert from "node:assert/strict";
import { loadConfig } from "../../../src/config/load.ts";
import { type Postern, serve } from "../../../src/app/serve.ts";
import type { Config } from "../../../src/config/settings.ts";
import type { Log } from "../../../src/ports/telemetry.ts";
import { NO_METRICS } from "../../../src/telemetry/metrics.ts";
import { DialogueClient } from "../../support/dialogue_client.ts";
import { accepted, ScriptedCallout } from "../../support/scripted_callout.ts";

const SILENT: Log = { enabled: () => false, event: () => {} };

function configOf(mail: Readonly<Record<string, unknown>> = {}): Config {
  const whole = {
    server_name: "mail.test",
    auth_http: "http://127.0.0.1:9/auth",
    servers: [{ listen: "127.0.0.1:0" }],
    ...mail,
  };
  const config = loadConfig(JSON.stringify({ mail: whole }), "postern.yaml", {
    readText: () => "",
    hostname: () => "box.test",
  });
  assert.ok("servers" in config, JSON.stringify(config));
  return config;
}

function failOnce(): () => void {
  let calls = 0;
  return () => {
    if (calls++ === 0) throw new TypeError("planted");
  };
}

async function firstOctets(port: number): Promise<string> {
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  try {
    const buffer = new Uint8Array(256);
    const count = await client.read(buffer);
    return new TextDecoder().decode(buffer.subarray(0, count ?? 0));
  } finally {
    client.close();
  }
}

const MISTAKES = {
  "before the session is there": (fail: () => void) => ({
    metrics: NO_METRICS,
    worker: { nextConnection: () => (fail(), 1), listeners: [] },
  }),
  "as the session begins": (fail: () => void) => ({
    metrics: { ...NO_METRICS, connectionOpened: () => fail() },
  }),
};

for (const [when, plant] of Object.entries(MISTAKES)) {
  Deno.test(`serve() closes a connection whose session fails ${when}, and serves the next one`, async () => {
    const events: string[] = [];
    const log: Log = { enabled: () => true, event: (_level, event) => events.push(event) };
    const postern = await serve(configOf(), { log, ...plant(failOnce()) });
    const [address] = postern.addresses;
    assert.ok(address?.kind === "tcp");
    assert.equal(await firstOctets(address.port), "");
    assert.equal(await firstOctets(address.port), "220 mail.test ESMTP ready\r\n");
    await postern.stop(0);
    assert.equal(events.filter((event) => event === "internal_error").length, 1);
    assert.equal(postern.sessions, 0);
  });
}

Deno.test("serve() goes on where not even the mistake can be told", async () => {
  const mistaken = failOnce();
  const log: Log = {
    enabled: () => true,
    event(_level, event) {
      if (event === "internal_error") throw new RangeError("a log that is broken");
    },
  };
  const postern = await serve(configOf(), { log, ...MISTAKES["as the session begins"](mistaken) });
  const [address] = postern.addresses;
  assert.ok(address?.kind === "tcp");
  assert.equal(await firstOctets(address.port), "");
  assert.equal(await firstOctets(address.port), "220 mail.test ESMTP ready\r\n");
  await postern.stop(0);
  assert.equal(postern.sessions, 0);
});

function portsOf({ addresses }: Postern): number[] {
  return addresses.map((address) => address.kind === "tcp" ? address.port : 0);
}

Deno.test("a configuration that follows another serves new connections, on the same port", async () => {
  const postern = await serve(configOf(), { log: SILENT, metrics: NO_METRICS });
  const [port] = portsOf(postern);
  await using client = await DialogueClient.connect({ port: port! });
  await client.expect("220 mail.test ESMTP ready");
  const next = configOf({
    server_name: "new.test",
    servers: [{ listen: "127.0.0.1:0" }, { listen: "127.0.0.1:0" }],
  });
  const prepared = await postern.prepare(next);
  assert.equal(await firstOctets(port!), "220 mail.test ESMTP ready\r\n");
  await prepared.commit();
  assert.equal(portsOf(postern)[0], port);
  for (const each of portsOf(postern)) assert.equal(await firstOctets(each), "220 new.test ESMTP ready\r\n");
  await client.command("EHLO client.test", /^250-mail\.test\r\n/);
  await client.command("QUIT", /^221 /);
  await postern.stop(0);
  assert.equal(postern.sessions, 0);
});

Deno.test("a configuration that cannot be served changes nothing, nor does one that is given up", async () => {
  const postern = await serve(configOf(), { log: SILENT, metrics: NO_METRICS });
  const [port] = portsOf(postern);
  const names = { server_name: "new.test" };
  const elsewhere = configOf({
    ...names,
    servers: [{ listen: "192.0.2.1:2525" }, { listen: "127.0.0.1:0" }],
  });
  await assert.rejects(postern.prepare(elsewhere), /Cannot listen on 192\.0\.2\.1:2525/);
  (await postern.prepare(configOf(names))).abort();
  assert.deepEqual(portsOf(postern), [port]);
  assert.equal(await firstOctets(port!), "220 mail.test ESMTP ready\r\n");
  await postern.stop(0);
});

Deno.test("the logs of a configuration are closed when another follows and its last session has ended", async () => {
  const told: string[] = [];
  const logsOf = (name: string) => ({
    accessFor: () => null,
    forServer: () => ({
      enabled: () => true,
      event: (_: unknown, event: string) => void told.push(`${name} ${event}`),
    }),
    close: () => Promise.resolve(void told.push(`${name} closed`)),
  });
  const postern = await serve(configOf(), { log: SILENT, metrics: NO_METRICS, logs: logsOf("old") });
  await using client = await DialogueClient.connect({ port: portsOf(postern)[0]! });
  await client.expect("220 mail.test ESMTP ready");
  await client.command("NOOP", /^250 /);
  await (await postern.prepare(configOf(), logsOf("new"))).commit();
  assert.deepEqual(told, ["old client_connected"]);
  await client.quit();
  await postern.stop(0);
  assert.deepEqual(told, ["old client_connected", "old session_closed", "old closed"]);
});

Deno.test("a Postern is not sent to a listener that came with its present configuration", async () => {
  let port = 0;
  await using callout = new ScriptedCallout(() => accepted(port));
  const told: string[] = [];
  const log: Log = {
    enabled: () => true,
    event: (_level, event, _message, _session, fields) => void told.push(`${event} ${fields?.["code"]}`),
  };
  const mail = { auth_http: callout.url(), xclient: "off" };
  const postern = await serve(configOf(mail), { log, metrics: NO_METRICS });
  const servers = [{ listen: "127.0.0.1:0" }, { listen: "0.0.0.0:0" }];
  await (await postern.prepare(configOf({ ...mail, servers }))).commit();
  for (port of portsOf(postern)) {
    await using client = await DialogueClient.connect({ port: portsOf(postern)[0]! });
    await client.expect("220 mail.test ESMTP ready");
    await client.authPlain("alice", "secret", "451 4.3.2 Internal server error");
  }
  await postern.stop(0);
  assert.equal(told.filter((line) => line === "upstream_failed own_listener").length, 2);
});
