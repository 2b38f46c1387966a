import assert from "node:assert/strict";
import { loadConfig } from "../../../src/config/load.ts";
import { serve } from "../../../src/app/serve.ts";
import type { Log } from "../../../src/ports/telemetry.ts";
import { NO_METRICS } from "../../../src/telemetry/metrics.ts";

const CONFIGURATION = `mail:
  server_name: mail.test
  auth_http: http://127.0.0.1:9/auth
  servers:
    - listen: 127.0.0.1:0
`;

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
    worker: { nextConnection: () => (fail(), 1) },
  }),
  "as the session begins": (fail: () => void) => ({
    metrics: { ...NO_METRICS, connectionOpened: () => fail() },
  }),
};

for (const [when, plant] of Object.entries(MISTAKES)) {
  Deno.test(`serve() closes a connection whose session fails ${when}, and serves the next one`, async () => {
    const events: string[] = [];
    const log: Log = { enabled: () => true, event: (_level, event) => events.push(event) };
    const config = loadConfig(CONFIGURATION, "postern.yaml", {
      readText: () => "",
      hostname: () => "box.test",
    });
    assert.ok("servers" in config);
    const postern = await serve(config, { log, ...plant(failOnce()) });
    const [address] = postern.addresses;
    assert.ok(address?.kind === "tcp");
    assert.equal(await firstOctets(address.port), "");
    assert.equal(await firstOctets(address.port), "220 mail.test ESMTP ready\r\n");
    await postern.stop(0);
    assert.equal(events.filter((event) => event === "internal_error").length, 1);
    assert.equal(postern.sessions, 0);
  });
}
