/**
 * The callout service and the mail server of one dialogue: they queue what arrives until the dialogue asks for it.
 *
 * @module
 */
import * as net from "node:net";
import { secrets } from "../support/secrets.ts";
import type { CalloutAnswer } from "./dialogue.ts";
import { DialogueFailure, Wire } from "./wire.ts";

/** Longer than any wait of a dialogue. */
const DEADLINE_MS = 10_000;

type Record = (line: string) => void;

/** Accepts connections and hands them out in order. */
export class ScriptedService {
  readonly #servers: net.Server[] = [];
  readonly #waiting: Wire[] = [];
  readonly #all: Wire[] = [];
  readonly #record: Record;
  #wake: (() => void) | null = null;

  constructor(record: Record) {
    this.#record = record;
  }

  /** Listens on a loopback address or a Unix socket; answers the port (0 for Unix sockets). */
  async listen(at: { readonly host: string } | { readonly path: string }): Promise<number> {
    const server = net.createServer({ allowHalfOpen: true }, (socket) => {
      const wire = new Wire(socket, this.#record);
      this.#all.push(wire);
      this.#waiting.push(wire);
      this.#record("-- connection");
      this.#wake?.();
    });
    this.#servers.push(server);
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ ...at, ...("host" in at ? { port: 0 } : {}) }, resolve);
    });
    const address = server.address();
    return address !== null && typeof address === "object" ? address.port : 0;
  }

  /** Connections that nobody asked for yet. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The next connection, within the deadline. */
  async next(expected: string): Promise<Wire> {
    const wire = this.#waiting.shift() ?? await this.#nextToCome(expected);
    return wire;
  }

  /** Ends all connections and stops listening. */
  async close(): Promise<void> {
    const closed = this.#servers.map((server) =>
      new Promise<void>((resolve) => server.close(() => resolve()))
    );
    await Promise.all(this.#all.map((wire) => wire.close()));
    await Promise.all(closed);
  }

  async #nextToCome(expected: string): Promise<Wire> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => timer = setTimeout(resolve, DEADLINE_MS));
    const arrived = new Promise<void>((resolve) => this.#wake = resolve);
    await Promise.race([arrived, late]);
    clearTimeout(timer);
    this.#wake = null;
    return this.#waiting.shift() ?? (() => {
      throw new DialogueFailure(`expected ${expected} within ${DEADLINE_MS} ms, none came`);
    })();
  }
}

/** Reads one HTTP request head from the next connection of `service`; answers its lines and how to answer it. */
export async function nextRequest(service: ScriptedService): Promise<{ lines: string[]; wire: Wire }> {
  const wire = await service.next("a callout request");
  const head = await wire.through("\r\n\r\n");
  secrets.speakHeaders(head);
  return { lines: head.slice(0, -4).split("\r\n"), wire };
}

/** Gives the answer of a dialogue to a request. */
export async function answerRequest(wire: Wire, answer: CalloutAnswer): Promise<void> {
  switch (answer.kind) {
    case "octets":
      await wire.send(answer.segments);
      if (!answer.stayOpen) wire.halfClose();
      return;
    case "close":
      wire.halfClose();
      return;
    case "reset":
      wire.reset();
      return;
    case "hang":
      return;
  }
}
