/**
 * The server side of TLS, with what no TLS library sends: each way of the acceptor ends such a connection with one of
 * its own errors, and goes on to serve the next. An engine of the runtime that panics would end the process.
 *
 * The seed is fixed; `FUZZ_SEED=…` takes another, `FUZZ_COUNT=…` more connections.
 */
import assert from "node:assert/strict";
import { decodeLatin1, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { createDialer } from "../../src/io/dialer.ts";
import { createTlsAcceptor } from "../../src/io/tls_acceptor.ts";
import { ConnectionError, type TlsAcceptor, type Transport } from "../../src/ports/transport.ts";
import { connectedPair, echo, octets, readToEnd } from "../unit/io/pair.ts";
import { acceptorOptions, tlsTest, upstreamOptions } from "../unit/io/tls_pair.ts";
import { Choices, mutate, numberOf } from "./mutation.ts";
import { changed } from "../support/changed_transport.ts";

const choices = new Choices(numberOf("FUZZ_SEED") ?? 20_262);
const COUNT = numberOf("FUZZ_COUNT") ?? 150;
/** How an acceptor may refuse a client. */
const REFUSALS = new Set(["tls", "reset", "silent"]);

/** A plain connection that keeps what is written to it. */
class Recorder {
  readonly written: Uint8Array[] = [];

  over(below: Transport): Transport {
    return changed(below, {
      write: (bytes) => {
        this.written.push(bytes.slice());
        return below.write(bytes);
      },
    });
  }
}

async function echoAndClose(transport: Transport): Promise<void> {
  await echo(transport).finally(() => transport.close());
}

/** What a client sends in a handshake and a short session, write for write. */
async function clientFlights(acceptor: TlsAcceptor): Promise<Uint8Array[]> {
  const recorder = new Recorder();
  const pair = await connectedPair();
  const serving = acceptor.accept(pair.server).then(echoAndClose);
  const client = await createDialer().startTls(recorder.over(pair.client), await upstreamOptions());
  await client.write(octets("NOOP\r\n"));
  await client.closeWrite();
  assert.deepEqual(await readToEnd(client), octets("NOOP\r\n"));
  await serving;
  client.close();
  return recorder.written;
}

async function assertRefused(acceptor: TlsAcceptor, pieces: readonly Uint8Array[]): Promise<void> {
  const { client, server } = await connectedPair();
  const accepting = acceptor.accept(server).then(
    async (secured) => {
      // A change that does not matter: then nothing of what follows can be decrypted.
      await readToEnd(secured).finally(() => secured.close());
    },
  ).catch((error) => {
    assert.ok(error instanceof ConnectionError, String(error));
    assert.ok(REFUSALS.has(error.code), `${error.code}: ${error.message}`);
  });
  try {
    for (const piece of pieces) await client.write(piece);
    await client.closeWrite();
  } catch {
    // It was sent away before it had sent all.
  }
  await accepting;
  client.close();
  server.close();
}

tlsTest(
  "handshakes that were changed on their way are refused, and the next client is served",
  async (way) => {
    const acceptor = createTlsAcceptor(await acceptorOptions(), way);
    const flights = await clientFlights(acceptor);
    for (let i = 0; i < COUNT; i++) {
      const piece = flights[choices.below(flights.length)]!;
      const changed = encodeLatin1(mutate(decodeLatin1(piece), choices));
      // Behind a good first flight, or as the first.
      await assertRefused(acceptor, choices.below(2) === 0 ? [changed] : [flights[0]!, changed]);
    }
    assert.ok((await clientFlights(acceptor)).length > 0);
  },
);

tlsTest("records that were changed after the handshake end the connection, and no other", async (way) => {
  const acceptor = createTlsAcceptor(await acceptorOptions(), way);
  const bystander = await connectedPair();
  const serving = acceptor.accept(bystander.server).then(echoAndClose);
  const other = await createDialer().startTls(bystander.client, await upstreamOptions());
  for (let i = 0; i < COUNT / 3; i++) {
    const { client: plain, server } = await connectedPair();
    const [secured, accepted] = await Promise.all([
      createDialer().startTls(plain, await upstreamOptions()),
      acceptor.accept(server),
    ]);
    const ended = assert.rejects(readToEnd(accepted), ConnectionError);
    const length = choices.below(300);
    const type = [20, 21, 22, 23, choices.below(256)][choices.below(5)]!;
    const body = Array.from({ length }, () => choices.below(256));
    await plain.write(Uint8Array.of(type, 3, 3, length >> 8, length & 255, ...body));
    plain.close();
    secured.close();
    // A connection that ends in the middle of a record is only over.
    await ended.catch((error) => assert.match(String(error), /Missing expected rejection/));
    accepted.close();
  }
  await other.write(octets("still here"));
  await other.closeWrite();
  assert.deepEqual(await readToEnd(other), octets("still here"));
  await serving;
  other.close();
});

tlsTest("a handshake that comes octet by octet is done", async (way) => {
  const acceptor = createTlsAcceptor(await acceptorOptions(), way);
  const { client, server } = await connectedPair();
  const slow = changed(client, {
    write: async (bytes) => {
      for (const octet of bytes) await client.write(Uint8Array.of(octet));
    },
  });
  const serving = acceptor.accept(server).then(echoAndClose);
  const secured = await createDialer().startTls(slow, await upstreamOptions());
  await secured.write(octets("x".repeat(3000)));
  await secured.closeWrite();
  assert.deepEqual(await readToEnd(secured), octets("x".repeat(3000)));
  await serving;
  secured.close();
});
