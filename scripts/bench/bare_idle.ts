/**
 * What an idle connection costs in the runtime alone, each way that it has: `deno run -A scripts/bench/bare_idle.ts
 * [CONNECTIONS]`. A server of each kind is started as a process of its own, and its resident memory is read before and
 * after the connections have come.
 *
 * @module
 */
import { createServer as createNetServer, type Socket } from "node:net";
import { createServer as createTlsServer, TLSSocket } from "node:tls";
import { fileURLToPath } from "node:url";
import { selfSigned } from "../self_signed.ts";
import { memory } from "./accounting.ts";
import { BareEngine } from "./bare_engine.ts";
import { BareSocket } from "./bare_socket.ts";
import { BareStream } from "./bare_stream.ts";
import { listenHandles } from "./floor_handles.ts";

interface Pem {
  readonly certificate: string;
  readonly key: string;
}

const KINDS = {
  "Deno.listen, accepted only": { tls: false, serve: () => accept(() => {}) },
  "Deno.listen, a read under way": { tls: false, serve: () => accept(answer) },
  "Deno.listen, a read by number under way": {
    tls: false,
    serve: () => accept((connection) => answer(new BareSocket(connection))),
  },
  "node:net": { tls: false, serve: () => listenNode(createNetServer(echo)) },
  "handles of node:net": {
    tls: false,
    serve: () => {
      const port = listenHandles(0, (handle) => {
        kept.push(handle);
        handle.listen((octets) => octets === null ? handle.close() : handle.send(octets));
      });
      console.log(port);
    },
  },
  "Deno.listenTls": {
    tls: true,
    serve: ({ certificate, key }: Pem) =>
      accept(answer, Deno.listenTls({ ...LOCAL, cert: certificate, key })),
  },
  "node:tls on node:net": {
    tls: true,
    serve: ({ certificate, key }: Pem) => listenNode(createTlsServer({ cert: certificate, key }, echo)),
  },
  "node:tls on a stream over Deno.listen": {
    tls: true,
    serve: ({ certificate, key }: Pem) => {
      accept((connection) => {
        const options = { isServer: true, cert: certificate, key };
        echo(new TLSSocket(new BareStream(connection) as unknown as TLSSocket, options));
      });
    },
  },
  "the engine of node:tls over Deno.listen": {
    tls: true,
    serve: ({ certificate, key }: Pem) => {
      const secure = BareEngine.maker(certificate, key);
      accept((connection) => {
        const secured = secure(new BareSocket(connection));
        kept.push(secured);
        answer(secured);
      });
    },
  },
} as const;
type Kind = keyof typeof KINDS;

const LOCAL = { hostname: "127.0.0.1", port: 0 } as const;
const WARM_UP = 100;
const SETTLE_MS = 1500;
const OPENING = 16;
/** Connections that nothing else holds. */
const kept: unknown[] = [];

async function accept(
  use: (connection: Deno.Conn) => unknown,
  listener: Deno.Listener = Deno.listen(LOCAL),
): Promise<void> {
  console.log((listener.addr as Deno.NetAddr).port);
  for await (const connection of listener) {
    kept.push(connection);
    use(connection);
  }
}

async function answer(
  connection: Pick<BareEngine | BareSocket | Deno.Conn, "read" | "write">,
): Promise<void> {
  const buffer = new Uint8Array(512);
  for (let count = await connection.read(buffer); count; count = await connection.read(buffer)) {
    await connection.write(buffer.subarray(0, count));
  }
}

function echo(socket: Socket | TLSSocket): void {
  kept.push(socket);
  socket.on("data", (chunk: Uint8Array) => socket.write(chunk));
  socket.on("error", () => {});
}

function listenNode(server: ReturnType<typeof createNetServer>): void {
  server.listen(0, LOCAL.hostname, () => console.log((server.address() as { port: number }).port));
}

async function measure(kind: Kind, connections: number, pem: Pem): Promise<number> {
  const flags = JSON.parse(Deno.readTextFileSync(fileURLToPath(new URL("../../deno.json", import.meta.url))))
    .tasks.start.command.split(" ").filter((word: string) => word.startsWith("--v8-flags"));
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "-q", ...flags, fileURLToPath(import.meta.url), "serve", kind, JSON.stringify(pem)],
    stdout: "piped",
  }).spawn();
  const { value } = await child.stdout.values().next();
  const port = Number(new TextDecoder().decode(value));
  await open(kind, WARM_UP, port, pem);
  const before = memory([child.pid]).resident;
  await open(kind, connections, port, pem);
  const after = memory([child.pid]).resident;
  child.kill();
  await child.status;
  return (after - before) / connections / 1024;
}

async function open(kind: Kind, connections: number, port: number, { certificate }: Pem): Promise<void> {
  let begun = 0;
  await Promise.all(Array.from({ length: OPENING }, async () => {
    while (begun++ < connections) {
      const connection = KINDS[kind].tls
        ? await Deno.connectTls({ hostname: "localhost", port, caCerts: [certificate] })
        : await Deno.connect({ ...LOCAL, port });
      kept.push(connection);
      if (kind === "Deno.listen, accepted only") continue;
      await connection.write(new Uint8Array(20));
      await connection.read(new Uint8Array(20));
    }
  }));
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
}

if (import.meta.main) {
  const [first, kind, pem] = Deno.args;
  if (first === "serve") KINDS[kind as Kind].serve(JSON.parse(pem!));
  else {
    const made = await selfSigned(["localhost", "127.0.0.1"]);
    for (const name of Object.keys(KINDS) as Kind[]) {
      const kb = await measure(name, Number(first ?? 1000), made);
      console.log(`${name.padEnd(40)} ${kb.toFixed(1)} KB`);
    }
    Deno.exit(0);
  }
}
