/**
 * A process of its own, as the runtime is told at its start which authorities it trusts: `DENO_CERT=FILE`. Opens TLS
 * to a server with each of the certificates that it is given, with the authorities that are trusted by default, and
 * prints what came of it; then how many sockets too many are open when connections are closed.
 *
 * @module
 */
import { createDialer } from "../../../src/io/dialer.ts";
import { createTlsAcceptor } from "../../../src/io/tls_acceptor.ts";
import type { TlsFacts, Transport } from "../../../src/ports/transport.ts";
import type { CertificateAndKey } from "../../support/certificates.ts";
import { connectedPair } from "./pair.ts";
import { acceptorOptions, denoPair, pemOf, upstreamOptions } from "./tls_pair.ts";

/** A server's certificate, and the name that is asked for. */
export interface Presentation extends CertificateAndKey {
  readonly serverName: string;
}

/** What came of a handshake: what is known of it, or the error and its code. */
export type Outcome = { readonly facts: TlsFacts | null } | { readonly code: string; readonly text: string };

/** What comes of each presentation. */
export interface Verdict {
  readonly engine: Outcome;
  readonly streams: Outcome;
  /** What the runtime's own client says. */
  readonly deno: Outcome;
}

/** What is printed. */
export interface Report {
  readonly verdicts: readonly Verdict[];
  readonly socketsLeft: number;
}

async function tryOut(shown: Presentation): Promise<Verdict> {
  return {
    engine: await dial("engine", shown),
    streams: await dial("streams", shown),
    deno: await dialWithDeno(shown),
  };
}

async function dial(way: "engine" | "streams", { serverName, ...pair }: Presentation): Promise<Outcome> {
  const plain = await connectedPair();
  const options = await upstreamOptions({ serverName, trustedCertificates: null });
  return await served(plain.server, pair, async () => {
    const { tls } = await createDialer(way).startTls(plain.client, options);
    plain.client.close();
    return tls;
  });
}

async function dialWithDeno({ serverName, ...pair }: Presentation): Promise<Outcome> {
  const { socket, server } = await denoPair();
  return await served(server, pair, async () => {
    const client = await Deno.startTls(socket, { hostname: serverName });
    try {
      await client.handshake();
    } finally {
      client.close();
    }
    return null;
  });
}

async function served(
  server: Transport,
  pair: CertificateAndKey,
  open: () => Promise<TlsFacts | null>,
): Promise<Outcome> {
  const acceptor = createTlsAcceptor(await acceptorOptions({ certificates: [pemOf(pair)] }));
  const serving = acceptor.accept(server).then((tls) => tls.close(), () => {}); // the client says what went wrong
  try {
    return { facts: await open() };
  } catch (error) {
    return { code: (error as { code?: string }).code ?? "", text: String(error) };
  } finally {
    await serving;
    server.close();
  }
}

/** Descriptors of the process that are sockets of TCP: the runtime opens others of its own when it first needs them. */
function openSockets(): number {
  const inodes = new Set<string>();
  for (const line of Deno.readTextFileSync("/proc/self/net/tcp").split("\n")) {
    inodes.add(`socket:[${line.trim().split(/\s+/)[9]}]`);
  }
  return [...Deno.readDirSync("/proc/self/fd")].filter(({ name }) => {
    try {
      return inodes.has(Deno.readLinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The one that the folder was read with.
      return false;
    }
  }).length;
}

/** Sockets that are open beyond those of the other ends, right after `connections` have been closed. */
async function socketsLeft({ serverName, ...pair }: Presentation, connections: number): Promise<number> {
  const acceptor = createTlsAcceptor(await acceptorOptions({ certificates: [pemOf(pair)] }));
  const options = await upstreamOptions({ serverName, trustedCertificates: null });
  const before = openSockets();
  const clients: Transport[] = [];
  const servers: Transport[] = [];
  for (let count = 0; count < connections; count++) {
    const plain = await connectedPair();
    const [client, server] = await Promise.all([
      createDialer().startTls(plain.client, options),
      acceptor.accept(plain.server),
    ]);
    clients.push(client);
    servers.push(server);
  }
  for (const client of clients) client.close();
  // Nothing is waited for: sockets that are closed later are counted.
  const left = openSockets() - before - connections;
  for (const server of servers) {
    if (await server.read(new Uint8Array(1)) !== null) throw new Error("expected the end of the connection");
    server.close();
  }
  return left;
}

if (import.meta.main) {
  const shown: Presentation[] = JSON.parse(await new Response(Deno.stdin.readable).text());
  // First, as what the runtime's own client had is closed late, and would be missed here.
  const left = await socketsLeft(shown[0]!, 20);
  const verdicts: Verdict[] = [];
  for (const one of shown) verdicts.push(await tryOut(one));
  const report: Report = { verdicts, socketsLeft: left };
  console.log(JSON.stringify(report));
}
