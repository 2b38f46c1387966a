/**
 * The dialogue of a plain session for the floors that are told of octets by callback: no line is looked at.
 *
 * @module
 */

/** A connection; octets come when they come, null at the end. */
export interface FloorSocket {
  listen(receive: (octets: Uint8Array | null) => void): void;
  send(octets: Uint8Array): void;
  close(): void;
}

/** Connects to a port on loopback. */
export type FloorConnect = (port: number, connected: (socket: FloorSocket) => void) => void;

const LF = 0x0a;
const ENVELOPE_OCTETS = 512;
const encoder = new TextEncoder();
const GREETING = encoder.encode("220 proxy.test ESMTP ready\r\n");
const OK = encoder.encode("250 2.0.0 OK\r\n");
const HELO = encoder.encode("HELO proxy.test\r\n");

/** Connections to the auth service that nobody uses. */
const idle: { socket: FloorSocket; answered: () => void }[] = [];

function countLines(octets: Uint8Array): number {
  let lines = 0;
  for (let i = 0; i < octets.length; i++) if (octets[i] === LF) lines++;
  return lines;
}

function ask(port: number, sink: number, connect: FloorConnect, answered: () => void): void {
  const request = encoder.encode(`GET /${sink} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  const service = idle.pop();
  if (service !== undefined) {
    service.answered = answered;
    return service.socket.send(request);
  }
  connect(port, (socket) => {
    const service = { socket, answered };
    socket.listen(() => {
      idle.push(service);
      service.answered();
    });
    socket.send(request);
  });
}

/** Serves one client, as `floor.ts` does. */
export function servePlainFloor(
  client: FloorSocket,
  connect: FloorConnect,
  ports: { readonly auth: number; readonly sink: number },
): void {
  const envelope = new Uint8Array(ENVELOPE_OCTETS);
  let held = 0;
  let commands = 0;
  let server: FloorSocket | null = null;
  let relaying = false;
  const over = () => {
    client.close();
    server?.close();
    server = null;
  };
  const openServer = () =>
    connect(ports.sink, (socket) => {
      server = socket;
      /** Lines of replies that are awaited: to the connection, to HELO, to MAIL and RCPT. */
      const awaited = [1, 1, 2];
      socket.listen((octets) => {
        if (octets === null) return over();
        if (relaying) return client.send(octets);
        awaited[0]! -= countLines(octets);
        if (awaited[0]! > 0) return;
        awaited.shift();
        if (awaited.length === 2) socket.send(HELO);
        else if (awaited.length === 1) socket.send(envelope.subarray(0, held));
        else {
          relaying = true;
          client.send(OK);
        }
      });
    });
  client.listen((octets) => {
    if (octets === null) return over();
    if (relaying) return server?.send(octets);
    if (commands > 0) {
      envelope.set(octets, held);
      held += octets.length;
    }
    if (commands++ < 2) client.send(OK);
    else ask(ports.auth, ports.sink, connect, openServer);
  });
  client.send(GREETING);
}
