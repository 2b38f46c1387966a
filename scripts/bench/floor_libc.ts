/**
 * A floor for plain sessions, like `floor.ts`, past the runtime: libc is called by Deno's foreign function interface, and
 * the loop is epoll's own. It says what of the floor is the kernel's. It cannot be what Postern is made of: it needs
 * `--allow-ffi`, by which a program may do whatever its user may; while it waits, nothing else of the thread runs, no
 * timer, no TLS, no other promise (`libc-thread` waits elsewhere, and pays for it); and a wrong number in it ends the
 * process, or writes to another client.
 *
 * @module
 */
import { type FloorSocket, servePlainFloor } from "./floor_dialogue.ts";

const libc = Deno.dlopen("libc.so.6", {
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  accept4: { parameters: ["i32", "usize", "usize", "i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
}).symbols;

/** Waits in a thread of the runtime, which goes on meanwhile. */
const elsewhere = Deno.dlopen("libc.so.6", {
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
}).symbols;

const AF_INET = 2;
const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const EPOLLIN = 1;
const EPOLL_CTL_ADD = 1;
const ADDRESS_OCTETS = 16;
/** `struct epoll_event` is packed on x86-64: events, then the descriptor in its data. */
const EVENT_OCTETS = 12;
const EVENTS = 256;
const WAIT_MS = 1000;

const on = Uint8Array.of(1, 0, 0, 0);
const buffer = new Uint8Array(65_536);
const epoll = libc.epoll_create1(0);
const receivers: (((octets: Uint8Array | null) => void) | undefined)[] = [];

function loopback(port: number): Uint8Array<ArrayBuffer> {
  return Uint8Array.of(AF_INET, 0, port >> 8, port & 255, 127, 0, 0, 1, ...Array(8).fill(0));
}

function watch(descriptor: number): void {
  const event = new Uint8Array(EVENT_OCTETS);
  const view = new DataView(event.buffer);
  view.setUint32(0, EPOLLIN, true);
  view.setInt32(4, descriptor, true);
  libc.epoll_ctl(epoll, EPOLL_CTL_ADD, descriptor, event);
}

function socketOf(descriptor: number): FloorSocket {
  libc.setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, on, 4);
  watch(descriptor);
  return {
    listen: (receive) => receivers[descriptor] = receive,
    send: (octets) => {
      // More than the kernel takes at once is not sent in this load.
      libc.send(descriptor, octets as Uint8Array<ArrayBuffer>, octets.length, MSG_NOSIGNAL);
    },
    close: () => {
      receivers[descriptor] = undefined;
      libc.close(descriptor);
    },
  };
}

function connect(port: number, connected: (socket: FloorSocket) => void): void {
  // On loopback this does not wait.
  const descriptor = libc.socket(AF_INET, SOCK_STREAM, 0);
  libc.connect(descriptor, loopback(port), ADDRESS_OCTETS);
  connected(socketOf(descriptor));
}

function receive(descriptor: number): void {
  const count = libc.recv(descriptor, buffer, buffer.length, MSG_DONTWAIT);
  // Less than 0: the descriptor was closed and opened again since the event.
  if (count >= 0) receivers[descriptor]?.(count === 0 ? null : buffer.subarray(0, count));
}

if (import.meta.main) {
  const [plainPort, , auth, sink] = Deno.args.map(Number) as [number, number, number, number];
  const listener = libc.socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  libc.setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, on, 4);
  if (libc.bind(listener, loopback(plainPort), ADDRESS_OCTETS) !== 0) throw new Error("Cannot bind");
  libc.listen(listener, 511);
  watch(listener);
  const events = new Uint8Array(EVENT_OCTETS * EVENTS);
  const view = new DataView(events.buffer);
  const inThread = Deno.args[5] === "libc-thread";
  for (;;) {
    let count = libc.epoll_wait(epoll, events, EVENTS, inThread ? 0 : WAIT_MS);
    if (inThread && count === 0) count = await elsewhere.epoll_wait(epoll, events, EVENTS, WAIT_MS);
    for (let i = 0; i < count; i++) {
      const descriptor = view.getInt32(EVENT_OCTETS * i + 4, true);
      if (descriptor !== listener) receive(descriptor);
      else {
        const accepted = libc.accept4(listener, 0n, 0n, SOCK_NONBLOCK);
        if (accepted >= 0) servePlainFloor(socketOf(accepted), connect, { auth, sink });
      }
    }
  }
}
