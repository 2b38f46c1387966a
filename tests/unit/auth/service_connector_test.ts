import assert from "node:assert/strict";
import { CalloutError } from "../../../src/auth/callout_error.ts";
import { createServiceConnector } from "../../../src/auth/service_connector.ts";
import { ConnectionError, type Transport, type UpstreamTlsOptions } from "../../../src/ports/transport.ts";
import { inMemoryPair } from "../../support/in_memory_transport.ts";

const address = { kind: "tcp", host: "auth.example", port: 443 } as const;
const tls = { verify: true, serverName: "auth.example", trustedCertificates: "PEM" };
const never = new AbortController().signal;

/** A dialer that the test settles. */
function makeDialer() {
  const connecting = Promise.withResolvers<Transport>();
  const securing = Promise.withResolvers<Transport>();
  const asked: UpstreamTlsOptions[] = [];
  const dialer = {
    connect: () => connecting.promise,
    startTls: (_plain: Transport, options: UpstreamTlsOptions) => {
      asked.push(options);
      return securing.promise;
    },
  };
  return { dialer, connecting, securing, asked };
}

/** Whether `promise` rejects with this code; the text names the cause. */
async function rejectsWith(promise: Promise<unknown>, code: string, text: RegExp): Promise<void> {
  await assert.rejects(
    promise,
    (error) => error instanceof CalloutError && error.code === code && text.test(error.message),
  );
}

Deno.test("A service connector connects plainly without TLS options", async () => {
  const { dialer, connecting, asked } = makeDialer();
  const [plain] = inMemoryPair();
  connecting.resolve(plain);
  assert.equal(await createServiceConnector(dialer, address, null)(never), plain);
  assert.deepEqual(asked, []);
});

Deno.test("A service connector starts TLS with the options of the service", async () => {
  const { dialer, connecting, securing, asked } = makeDialer();
  const [secured] = inMemoryPair();
  connecting.resolve(inMemoryPair()[0]);
  securing.resolve(secured);
  assert.equal(await createServiceConnector(dialer, address, tls)(never), secured);
  assert.deepEqual(asked, [{ ...tls, certificate: null, certificateKey: null }]);
});

Deno.test("A service connector tells a failed connection from a failed handshake", async () => {
  const first = makeDialer();
  first.connecting.reject(new ConnectionError("refused", "Connection refused"));
  await rejectsWith(
    createServiceConnector(first.dialer, address, tls)(never),
    "connect",
    /expected a connection to the auth service, got: Connection refused/,
  );
  const second = makeDialer();
  second.connecting.resolve(inMemoryPair()[0]);
  second.securing.reject(new ConnectionError("certificate", "unknown issuer"));
  await rejectsWith(
    createServiceConnector(second.dialer, address, tls)(never),
    "tls",
    /handshake.*unknown issuer/,
  );
});

Deno.test("A service connector gives up when the signal aborts, and closes a connection that comes later", async () => {
  const { dialer, connecting } = makeDialer();
  const controller = new AbortController();
  const opening = createServiceConnector(dialer, address, null)(controller.signal);
  controller.abort(new CalloutError("timeout", "too late"));
  await rejectsWith(opening, "timeout", /too late/);
  const [late] = inMemoryPair();
  connecting.resolve(late);
  await connecting.promise;
  assert.equal(late.closed, true);
});

Deno.test("A service connector that gives up during the handshake closes both connections", async () => {
  const { dialer, connecting, securing, asked } = makeDialer();
  const controller = new AbortController();
  const [plain] = inMemoryPair();
  const opening = createServiceConnector(dialer, address, tls)(controller.signal);
  connecting.resolve(plain);
  while (asked.length === 0) await Promise.resolve();
  controller.abort(new CalloutError("aborted", "gone"));
  await rejectsWith(opening, "aborted", /gone/);
  assert.equal(plain.closed, true);
  const [late] = inMemoryPair();
  securing.resolve(late);
  await securing.promise;
  assert.equal(late.closed, true);
});
