/**
 * The floor: a proxy that makes the same connections, reads and writes as Postern does for the bench's loads, and knows
 * nothing of SMTP: no line is looked at, every reply is ready, nothing is checked, logged, counted or timed. What it
 * costs is the runtime's; the rest of what Postern costs is Postern's. Run by the bench, with `--floor`.
 *
 * @module
 */
import { BareEngine } from "./bare_engine.ts";
import { BareSocket } from "./bare_socket.ts";

const LOOPBACK = "127.0.0.1";
const LF = 0x0a;
const encoder = new TextEncoder();
const GREETING = encoder.encode("220 proxy.test ESMTP ready\r\n");
const OK = encoder.encode("250 2.0.0 OK\r\n");
const READY_FOR_TLS = encoder.encode("220 2.0.0 Start TLS\r\n");
const SIGNED_IN = encoder.encode("235 2.0.0 OK\r\n");
const QUIT = encoder.encode("QUIT\r\n");
const BYE = encoder.encode("221");
const HELO = encoder.encode("HELO proxy.test\r\n");

/** What a session is read from and written to. */
interface Link {
  /** 0 or null at the end. */
  read(into: Uint8Array): Promise<number | null>;
  write(octets: Uint8Array): Promise<unknown>;
  close(): void;
}

/** Says the last to a client, and closes its connection. */
type Part = (octets: Uint8Array) => Promise<unknown>;

/** Ports of the proxy and of whom it asks. */
interface Ports {
  readonly auth: number;
  readonly sink: number;
}

/** Connections to the auth service that nobody uses. */
const idle: BareSocket[] = [];

async function ask(buffer: Uint8Array, { auth, sink }: Ports): Promise<void> {
  const service = idle.pop() ?? new BareSocket(await Deno.connect({ hostname: LOOPBACK, port: auth }));
  await service.write(encoder.encode(`GET /${sink} HTTP/1.1\r\nHost: ${LOOPBACK}\r\n\r\n`));
  await service.read(buffer);
  idle.push(service);
}

async function readLines(link: Link, buffer: Uint8Array, lines: number): Promise<void> {
  while (lines > 0) {
    const count = await link.read(buffer);
    if (!count) throw new Error("The mail server has gone");
    for (let i = 0; i < count; i++) if (buffer[i] === LF) lines--;
  }
}

async function openMailServer(
  buffer: Uint8Array,
  ports: Ports,
  envelope: Uint8Array | null,
): Promise<BareSocket> {
  await ask(buffer, ports);
  const socket = await Deno.connect({ hostname: LOOPBACK, port: ports.sink, autoSelectFamily: false });
  socket.setNoDelay(true);
  const server = new BareSocket(socket);
  await readLines(server, buffer, 1);
  await server.write(HELO);
  await readLines(server, buffer, 1);
  if (envelope !== null) {
    await server.write(envelope);
    await readLines(server, buffer, 2);
  }
  return server;
}

/** Octets to the mail server, until QUIT. */
async function pumpToServer(client: Link, server: Link): Promise<void> {
  const buffer = new Uint8Array(16_384);
  for (let quit = false; !quit;) {
    const count = await client.read(buffer);
    if (!count) return server.close();
    await server.write(buffer.subarray(0, count));
    quit = count === QUIT.length && QUIT.every((octet, i) => buffer[i] === octet);
  }
}

/** Octets to the client; 221 is the last. */
async function pumpToClient(server: Link, client: Link, part: Part): Promise<void> {
  const buffer = new Uint8Array(16_384);
  let parting: Promise<unknown> | null = null;
  for (;;) {
    const count = await server.read(buffer);
    if (!count) break;
    if (BYE.every((octet, i) => buffer[i] === octet)) parting = part(buffer.slice(0, count));
    else await client.write(buffer.subarray(0, count));
  }
  server.close();
  await parting;
}

async function relay(client: Link, server: Link, part: Part): Promise<void> {
  await Promise.all([pumpToServer(client, server), pumpToClient(server, client, part)]);
}

/** A session without a login: MAIL and RCPT are given to the mail server together. */
async function servePlain(client: BareSocket, ports: Ports): Promise<void> {
  const buffer = new Uint8Array(512);
  await client.write(GREETING);
  let held = 0;
  for (let command = 0; command < 3; command++) {
    const count = await client.read(buffer.subarray(held));
    if (!count) return client.close();
    if (command > 0) held += count;
    if (command < 2) await client.write(OK);
  }
  const server = await openMailServer(new Uint8Array(512), ports, buffer.subarray(0, held));
  await client.write(OK);
  await relay(client, server, (octets) => client.write(octets).then(() => client.close()));
}

/** A session with STARTTLS and a login. */
async function serveStartTls(
  client: BareSocket,
  ports: Ports,
  secure: (below: BareSocket) => BareEngine,
): Promise<void> {
  const buffer = new Uint8Array(512);
  await client.write(GREETING);
  for (const reply of [OK, READY_FOR_TLS]) {
    if (!await client.read(buffer)) return client.close();
    await client.write(reply);
  }
  const secured = secure(client);
  if (await secured.read(buffer) === null) return secured.close();
  await secured.write(OK);
  if (await secured.read(buffer) === null) return secured.close();
  const server = await openMailServer(buffer, ports, null);
  await secured.write(SIGNED_IN);
  await relay(secured, server, (octets) => secured.part(octets));
}

async function listen(port: number, serve: (client: BareSocket) => Promise<void>): Promise<void> {
  for await (const client of Deno.listen({ hostname: LOOPBACK, port })) {
    client.setNoDelay(true);
    serve(new BareSocket(client)).catch(() => {});
  }
}

/** What else is done when a session is over. */
export interface AfterSession {
  readonly plain: () => Promise<void>;
  readonly starttls: () => Promise<void>;
}

const NOTHING_MORE: AfterSession = { plain: () => Promise.resolve(), starttls: () => Promise.resolve() };

/**
 * Listens. `args` are the ports for plain clients and for STARTTLS, of the auth service and of the sink, and the folder
 * with the certificate.
 */
export function serveFloor(args: readonly string[], after = NOTHING_MORE): void {
  const [plainPort, starttlsPort, auth, sink] = args.map(Number) as [number, number, number, number];
  const folder = args[4]!;
  const [cert, key] = ["cert", "key"].map((name) => Deno.readTextFileSync(`${folder}/${name}.pem`));
  const secure = BareEngine.maker(cert!, key!);
  const ports = { auth, sink };
  listen(plainPort, (client) => servePlain(client, ports).then(after.plain));
  listen(starttlsPort, (client) => serveStartTls(client, ports, secure).then(after.starttls));
}

if (import.meta.main) serveFloor(Deno.args);
