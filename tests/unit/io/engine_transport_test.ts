/** What the engine's transport writes, write for write, and how it ends. */
import assert from "node:assert/strict";
import { createDialer } from "../../../src/io/dialer.ts";
import { createTlsAcceptor, type TlsAcceptorOptions } from "../../../src/io/tls_acceptor.ts";
import { ConnectionError } from "../../../src/ports/transport.ts";
import { changed } from "../../support/changed_transport.ts";
import { connectedPair, octets, patternOctets, readToEnd, text } from "./pair.ts";
import { acceptorOptions, upstreamOptions } from "./tls_pair.ts";

const VERSIONS = ["TLSv1.2", "TLSv1.3"] as const;
type Version = typeof VERSIONS[number];

const codeOf = (code: string) => (error: unknown) => error instanceof ConnectionError && error.code === code;

/** Both ends of a TLS connection whose client never sends FIN, and what the server's side was asked to do below. */
async function pairOf(version: Version, changes: Partial<TlsAcceptorOptions> = {}) {
  const plain = await connectedPair();
  const done: string[] = [];
  const reads: number[] = [];
  const below = changed(plain.server, {
    read: async (into) => {
      const count = await plain.server.read(into);
      reads.push(count ?? 0);
      return count;
    },
    write: (bytes) => {
      done.push("write");
      return plain.server.write(bytes);
    },
    closeWrite: () => {
      done.push("closeWrite");
      return plain.server.closeWrite();
    },
    close: () => {
      done.push("close");
      plain.server.close();
    },
  });
  const unending = changed(plain.client, { closeWrite: () => Promise.resolve() });
  const [client, server] = await Promise.all([
    createDialer().startTls(unending, await upstreamOptions()),
    createTlsAcceptor(await acceptorOptions({ protocols: [version], ...changes })).accept(below),
  ]);
  const close = () => {
    client.close();
    server.close();
  };
  return { client, server, plain, done, reads, close };
}

/** A TLS connection to whose server's side everything comes octet by octet once the handshake is done. */
async function drippingPair() {
  const plain = await connectedPair();
  let dripping = false;
  const below = changed(plain.server, {
    read: (into) => plain.server.read(dripping ? into.subarray(0, 1) : into),
  });
  const [client, server] = await Promise.all([
    createDialer().startTls(plain.client, await upstreamOptions()),
    createTlsAcceptor(await acceptorOptions({})).accept(below),
  ]);
  dripping = true;
  const close = () => {
    client.close();
    server.close();
  };
  return { client, server, plain, close };
}

Deno.test("records that come octet by octet are read, one after the other", async () => {
  const { client, server, close } = await drippingPair();
  const buffer = new Uint8Array(32_768);
  for (const length of [1, 300, 16_384]) {
    const sent = patternOctets(length);
    await client.write(sent);
    assert.equal(await server.read(buffer), length);
    assert.deepEqual(buffer.subarray(0, length), sent);
  }
  close();
});

Deno.test("a read that waits for the rest of a record ends with the connection", async () => {
  // A part of a record: its length says that more follows.
  const part = new Uint8Array([23, 3, 3, 0, 64, 1, 2, 3]);
  for (const end of ["ours", "the client's"] as const) {
    const { client, server, plain, close } = await drippingPair();
    const reading = server.read(new Uint8Array(64));
    await plain.client.write(part);
    if (end === "ours") {
      server.close();
      await assert.rejects(reading, codeOf("closed"));
    } else {
      await plain.client.closeWrite();
      assert.equal(await reading, null);
    }
    client.close();
    close();
  }
});

for (
  const { version, writes } of [
    // ServerHello and what follows it; ChangeCipherSpec and Finished.
    { version: "TLSv1.2", writes: 2 },
    // ServerHello to Finished. What would follow are tickets.
    { version: "TLSv1.3", writes: 1 },
  ] as const
) {
  for (const verifyClient of ["off", "optional_no_ca"] as const) {
    Deno.test(`the handshake of ${version} takes ${writes} writes, with ssl_verify_client ${verifyClient}`, async () => {
      const { client, server, done, close } = await pairOf(version, { verifyClient });
      assert.equal(done.length, writes);
      await server.write(octets("220 ready\r\n"));
      assert.equal(done.length, writes + 1);
      const buffer = new Uint8Array(100);
      assert.equal(text(buffer.subarray(0, await client.read(buffer) ?? 0)), "220 ready\r\n");
      close();
    });
  }
}

for (const version of VERSIONS) {
  Deno.test(`every reader gets what comes next, into its own buffer, whatever has room in it (${version})`, async () => {
    const { client, server, close } = await pairOf(version);
    const sent = patternOctets(400_000);
    const sizes = [1, 64, 65, 1_000, 16_384, 16_385, 65_536, 150_000];
    const writing = (async () => {
      for (let from = 0, turn = 0; from < sent.length; turn++) {
        const to = Math.min(sent.length, from + sizes[turn % sizes.length]!);
        await client.write(sent.subarray(from, to));
        from = to;
      }
      await client.closeWrite();
    })();
    const heard: { readonly into: Uint8Array; readonly from: number; readonly octets: number }[] = [];
    let from = 0;
    for (let turn = 0;; turn++) {
      const into = new Uint8Array(sizes[(turn * 3 + 1) % sizes.length]!).fill(0xff);
      const octets = await server.read(into);
      if (octets === null) break;
      heard.push({ into, from, octets });
      from += octets;
    }
    await writing;
    assert.equal(from, sent.length);
    // Nor has anything been written into a buffer that was read into before, or behind what was told.
    for (const { into, from, octets } of heard) {
      assert.deepEqual(into.subarray(0, octets), sent.subarray(from, from + octets));
      assert.ok(into.subarray(octets).every((octet) => octet === 0xff));
    }
    close();
  });

  Deno.test(`a record that is not authentic is not read, nor what came with it (${version})`, async () => {
    const { server, client, plain, close } = await pairOf(version);
    const records: Uint8Array[] = [];
    const { writeFor } = plain.client;
    plain.client.writeFor = (bytes, writer) => {
      records.push(bytes.slice());
      return Promise.resolve().then(() => writer.written());
    };
    await client.write(octets("RSET\r\n"));
    await client.write(octets("NOOP\r\n"));
    plain.client.writeFor = writeFor!;
    const forged = new Uint8Array(await new Blob(records as BlobPart[]).arrayBuffer());
    forged[forged.length - 1]! ^= 1;
    await plain.client.write(forged);
    const into = new Uint8Array(100).fill(0xff);
    for (let turn = 0; turn < 2; turn++) await assert.rejects(server.read(into), codeOf("tls"));
    assert.ok(into.every((octet) => octet === 0xff));
    close();
  });
}

Deno.test("a reader that has room for it gets a short message with one read", async () => {
  const { client, server, reads, close } = await pairOf("TLSv1.3");
  const message = patternOctets(1_000);
  const read = async (room: number) => {
    const into = new Uint8Array(room);
    reads.length = 0;
    await client.write(message);
    let octets = 0;
    while (octets < message.length) octets += await server.read(into.subarray(octets)) ?? assert.fail();
    assert.deepEqual(into.subarray(0, octets), message);
    return reads.length;
  };
  assert.equal(await read(1_024), 2);
  assert.equal(await read(2_048), 1);
  close();
});

/** The end of a session: the last word is said, and heard. */
async function saidBye(version: Version) {
  const pair = await pairOf(version);
  const before = pair.done.length;
  await pair.server.end!(octets("221 bye\r\n"));
  assert.deepEqual(pair.done.slice(before), ["write", "close"]);
  assert.deepEqual(await readToEnd(pair.client), octets("221 bye\r\n"));
  return pair;
}

for (const version of VERSIONS) {
  Deno.test(`end(): the last word and close_notify are one write, and all is closed (${version})`, async () => {
    const { server, done, close } = await saidBye(version);
    const doings = done.length;
    await assert.rejects(server.read(new Uint8Array(100)), codeOf("closed"));
    await assert.rejects(server.write(octets("x")), codeOf("closed"));
    await assert.rejects(server.end!(octets("x")), codeOf("closed"));
    await server.closeWrite();
    server.close();
    assert.equal(done.length, doings);
    close();
  });

  Deno.test(`end(): a client that says its own end with its last command hears the last word (${version})`, async () => {
    const { client, server, close } = await pairOf(version);
    await client.write(octets("QUIT\r\n"));
    await client.closeWrite();
    const command = new Uint8Array(100);
    assert.equal(text(command.subarray(0, await server.read(command) ?? 0)), "QUIT\r\n");
    await server.end!(octets("221 bye\r\n"));
    assert.deepEqual(await readToEnd(client), octets("221 bye\r\n"));
    close();
  });
}

Deno.test("end(): a last word of any length arrives", async () => {
  for (const length of [0, 49_152, 49_153, 1_000_000]) {
    const { client, server, close } = await pairOf("TLSv1.3");
    const word = patternOctets(length);
    const [heard] = await Promise.all([readToEnd(client), server.end!(word)]);
    assert.deepEqual(heard, word);
    close();
  }
});

Deno.test("end(): a read that was begun before it says that all is closed", async () => {
  const { server, close } = await pairOf("TLSv1.3");
  const reading = assert.rejects(server.read(new Uint8Array(1)), codeOf("closed"));
  await server.end!(octets("221 bye\r\n"));
  await reading;
  close();
});

Deno.test("end(): a connection that is lost, or closed meanwhile, says so", async () => {
  const { server, plain, close } = await pairOf("TLSv1.3");
  await plain.client.write(Uint8Array.of(23, 3, 3, 0, 32, ...Array(32).fill(1)));
  await assert.rejects(server.read(new Uint8Array(1)), codeOf("tls"));
  await assert.rejects(server.end!(octets("221 bye\r\n")), codeOf("reset"));
  close();

  const failing = await pairOf("TLSv1.3");
  failing.server.close();
  await assert.rejects(failing.server.end!(octets("x")), codeOf("closed"));
  failing.close();
});
