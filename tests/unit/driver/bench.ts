/**
 * A real {@linkcode Connection} among scripted ports, with the time in the test's hands.
 *
 * @module
 */
import { BufferPool } from "../../../src/driver/buffer_pool.ts";
import { Connection } from "../../../src/driver/connection.ts";
import { UpstreamHealth } from "../../../src/driver/upstream_health.ts";
import { HandshakeSlots } from "../../../src/driver/handshake_slots.ts";
import type { ListenerRuntime, ServerRuntime, Services } from "../../../src/driver/runtime.ts";
import type { ServerSettings } from "../../../src/config/settings.ts";
import { SessionBoard } from "../../../src/driver/session_board.ts";
import { SignInHolds } from "../../../src/driver/sign_in_holds.ts";
import { guardRules } from "../../../src/driver/guard_rules.ts";
import { messageLimit } from "../../../src/policy/message_limits.ts";
import { ehloLines } from "../../../src/policy/capabilities.ts";
import { pipeliningRule } from "../../../src/policy/pipelining.ts";
import { planLimits } from "../../../src/policy/limits.ts";
import type { LimitStore } from "../../../src/ports/limit_store.ts";
import type { EndSignal } from "../../../src/ports/end_signal.ts";
import { MemoryLimitStore } from "../../../src/limits/memory_store.ts";
import type { LimitPorts, ServerLimits } from "../../../src/driver/session_limits.ts";
import type { AuthAnswer, AuthBackend, AuthQuestion } from "../../../src/ports/auth_backend.ts";
import type { Tracer } from "../../../src/ports/tracer.ts";
import type { AccessLog, SessionRecord } from "../../../src/ports/access_log.ts";
import type {
  Log,
  MessageRecord,
  Metrics,
  SessionContext,
  SessionOutcome,
  SessionState,
} from "../../../src/ports/telemetry.ts";
import {
  ConnectionError,
  type Dialer,
  type SocketAddress,
  type TlsFacts,
} from "../../../src/ports/transport.ts";
import type { Interruption } from "../../../src/session/joint.ts";
import { serverReplies } from "../../../src/session/replies.ts";
import type { InMemoryTransport, PairOptions } from "../../support/in_memory_transport.ts";
import { within } from "../../support/patience.ts";
import { ManualClock } from "../auth/manual_clock.ts";
import { loadGood } from "../config/reading.ts";
import { acceptHandshake, connectHandshake, connection, Disguised, type Peer, tlsFacts } from "./peer.ts";

/** What a test changes; everything else is the default of the configuration. */
export interface BenchOptions {
  readonly settings?: Partial<ServerSettings>;
  /** Implicit TLS, PROXY header. */
  readonly ssl?: boolean;
  readonly proxyProtocol?: boolean;
  /** Facts of the client's handshake. */
  readonly tls?: Partial<TlsFacts>;
  /** Whether TLS with the client says its end with its last word. */
  readonly tlsEnds?: boolean;
  /** Facts of the handshake with the mail server. */
  readonly upstreamTls?: Partial<TlsFacts> | "refused";
  /** Handshakes of the server, which other connections may have under way. */
  readonly handshakes?: HandshakeSlots;
  readonly remote?: SocketAddress;
  readonly pair?: PairOptions;
  readonly upstreamPair?: PairOptions;
  /** Where limits are counted; without it nothing is limited. */
  readonly limits?: LimitStore;
  readonly tracer?: Tracer;
  readonly resolve?: (signal: EndSignal) => Promise<string>;
  /** Hosts where nobody listens. */
  readonly nobodyAt?: readonly string[];
  /** Addresses of host names; a name without any is not found. */
  readonly addresses?: Readonly<Record<string, readonly string[]>>;
  /** Hosts where the proxy itself listens. */
  readonly own?: readonly string[];
  /** Is told of each event before it is written down. */
  readonly telling?: (event: string) => void;
  /** Is told of each call of the metrics before it is written down. */
  readonly counting?: (line: string) => void;
  /** Servers that failed before this connection. */
  readonly resting?: readonly SocketAddress[];
}

/** A question and the place for its answer. */
interface Asked {
  readonly question: AuthQuestion;
  answer(answer: AuthAnswer): void;
}

/** Values that come one after the other, and those who wait for them. */
class Arrivals<T> {
  readonly #come: T[] = [];
  readonly #awaited: ((value: T) => void)[] = [];

  push(value: T): void {
    const waiter = this.#awaited.shift();
    if (waiter === undefined) this.#come.push(value);
    else waiter(value);
  }

  next(what: string): Promise<T> {
    const come = this.#come.shift();
    if (come !== undefined) return Promise.resolve(come);
    return within(new Promise<T>((resolve) => this.#awaited.push(resolve)), () => `no ${what}`, {
      ms: 5_000,
    });
  }
}

const BASE: ServerSettings = loadGood(`mail:
  server_name: mx.test
  auth_http: http://127.0.0.1:9/auth
  xclient: off
  smtp_reject_unauth_pipelining: off # tests do not wait for every reply
  servers:
    - listen: 127.0.0.1:25
`).servers[0]!;

/** One connection under test. */
export class Bench {
  readonly clock = new ManualClock();
  readonly settings: ServerSettings;
  readonly client: Peer;
  /** Our end of the client's connection. */
  readonly near: InMemoryTransport;
  /** One line for each call of the metrics, in order. */
  readonly counted: string[] = [];
  readonly board = new SessionBoard();
  readonly holds = new SignInHolds();
  /** The state in which the session is counted; null before it begins and when it has ended. */
  state: SessionState | null = null;
  readonly log: { level: string; event: string; message: string; text: string }[] = [];
  /** What the access log was told. */
  readonly sessions: SessionRecord[] = [];
  readonly messages: { session: SessionContext; record: MessageRecord }[] = [];
  readonly done: Promise<void>;
  /** How often the owner was told of the end. */
  ends = 0;
  readonly buffers = new BufferPool();
  readonly health = new UpstreamHealth(this.clock);
  /** Our ends of the connections to mail servers. */
  readonly dialled: InMemoryTransport[] = [];
  /** Hosts that were dialled, in order. */
  readonly dialledTo: string[] = [];
  readonly #options: BenchOptions;
  readonly #connection: Connection;
  readonly #asked = new Arrivals<Asked>();
  readonly #upstreams = new Arrivals<Peer>();
  #dialing = Promise.withResolvers<void>();
  /** Set to make dialling wait for ever. */
  dialHangs = false;
  dialFails = false;

  constructor(options: BenchOptions = {}) {
    this.#options = options;
    this.settings = { ...BASE, ...options.settings };
    for (const address of options.resting ?? []) this.health.failed(address, 10_000);
    const { near, peer } = connection(options.pair);
    this.near = near;
    this.client = peer;
    const accepted = new Disguised(near, { remote: options.remote ?? near.remote });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.done = promise;
    const owner = {
      over: () => {
        this.ends++;
        resolve();
      },
      failed: (_session: Connection, mistake: unknown) => {
        this.ends++;
        reject(mistake);
      },
    };
    this.#connection = new Connection(accepted, this.#listener(), this.#services(), owner);
    this.#connection.serve();
  }

  drain(): void {
    this.#connection.drain();
  }

  interrupt(cause: Interruption): void {
    this.#connection.interrupt(cause);
  }

  /** The next question to the callout. */
  asked(): Promise<Asked> {
    return this.#asked.next("question to the callout");
  }

  /** The mail server that is connected to next. */
  upstream(): Promise<Peer> {
    return this.#upstreams.next("connection to a mail server");
  }

  /** Settles when a mail server is dialled. */
  dialing(): Promise<void> {
    return within(this.#dialing.promise, () => "no mail server is dialled", { ms: 5_000 });
  }

  /** Waits for the end of the session and answers how it is counted. */
  async outcome(): Promise<string> {
    await within(this.done, () => `the session does not end\n${JSON.stringify(this.log, null, 1)}`, {
      ms: 5_000,
    });
    const closed = this.counted.filter((line) => line.startsWith("closed "));
    return closed.length === 1 ? closed[0]!.slice("closed ".length) : `closed ${closed.length} times`;
  }

  /** Names of the events so far. */
  events(): string[] {
    return this.log.map(({ event }) => event);
  }

  /** Brings the session to its relay: AUTH PLAIN, one mail server without capabilities. */
  async relaying(): Promise<Peer> {
    await this.client.expect("220 mx.test ESMTP ready\r\n");
    await this.client.send(`AUTH PLAIN ${btoa("\0ada\0secret")}\r\n`);
    (await this.asked()).answer(accepted());
    const upstream = await this.upstream();
    await upstream.send("220 hi\r\n");
    await upstream.expect("EHLO mx.test\r\n");
    await upstream.send("250 hi\r\n");
    await this.client.expect("235 2.0.0 OK\r\n");
    return upstream;
  }

  #listener(): ListenerRuntime {
    const { ssl = false, proxyProtocol = false } = this.#options;
    const listen = { ...BASE.listen[0]!, ssl, proxy_protocol: proxyProtocol };
    return { settings: listen, server: this.#server(), text: "127.0.0.1:25" };
  }

  #server(): ServerRuntime {
    const { settings } = this;
    const { resolve } = this.#options;
    return {
      settings,
      rules: {
        replies: serverReplies(settings.server_name, ehloLines(settings)),
        starttls: settings.starttls,
        methods: new Set<string>(settings.smtp_auth),
        maxErrors: settings.max_errors,
        maxCommands: settings.max_commands,
        pipelining: pipeliningRule(settings),
        maxMessageOctets: messageLimit(settings),
        refusesNul: settings.smtp_guard && settings.smtp_nul === "reject",
        compat: settings.compat === "nginx",
        newSalt: () => "<1.2@mx.test>",
      },
      guard: guardRules(settings),
      limits: this.#limits(),
      auth: this.#auth(),
      handshakes: this.#options.handshakes ?? new HandshakeSlots(settings.ssl_max_handshakes),
      tls: {
        accept: (plain) => acceptHandshake(plain, tlsFacts(this.#options.tls), this.#options.tlsEnds),
        knows: (serverName) => serverName === "mail.test",
      },
      resolver: resolve === undefined ? null : { clientHost: (_address, signal) => resolve(signal) },
      log: this.#log(),
      access: this.#access(),
      dialer: null,
      upstreamTls: { verify: true, trustedCertificates: null, certificate: null, certificateKey: null },
    };
  }

  #limits(): ServerLimits | null {
    const plan = this.#options.limits === undefined ? null : planLimits(this.settings);
    return plan === null ? null : { plan, ...this.#limitPorts() };
  }

  #limitPorts(): LimitPorts {
    const store = this.#options.limits ?? new MemoryLimitStore({ now: () => this.clock.now() });
    return { store, mark: (user, secret) => `${user} ${secret}` };
  }

  #auth(): AuthBackend {
    return {
      ask: (question, signal) =>
        new Promise((resolve) => {
          signal.addEventListener("abort", () => {
            resolve({ kind: "failed", code: "aborted", reason: "the session has ended" });
          });
          this.#asked.push({ question, answer: resolve });
        }),
      close: () => {},
    };
  }

  #services(): Services {
    return {
      clock: this.clock,
      dialer: this.#dialer(),
      log: this.#log(),
      limits: this.#limitPorts(),
      metrics: this.#metrics(),
      tracer: this.#options.tracer ?? null,
      buffers: this.buffers,
      health: this.health,
      isOwnListener: (address) => (this.#options.own ?? []).includes(hostOf(address)),
      newSessionId: () => "5e5510",
      nextConnection: () => 1,
      board: this.board,
      holds: this.holds,
    };
  }

  #dialer(): Dialer {
    return {
      resolve: (target) => {
        const found = this.#options.addresses?.[hostOf(target)];
        if (found === undefined) return Promise.reject(new ConnectionError("not_found", "Cannot find it"));
        return Promise.resolve(found.map((host) => ({ kind: "tcp", host, port: 25 })));
      },
      connect: (target, signal) => {
        this.#dialing.resolve();
        this.dialledTo.push(hostOf(target));
        const isNobody = this.dialFails || (this.#options.nobodyAt ?? []).includes(hostOf(target));
        if (isNobody) return Promise.reject(new ConnectionError("refused", "Cannot connect: refused"));
        return new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => reject(new ConnectionError("closed", "given up")));
          if (this.dialHangs) return;
          const { near, peer } = connection(this.#options.upstreamPair);
          this.dialled.push(near);
          this.#upstreams.push(peer);
          resolve(near);
        });
      },
      startTls: (plain) => {
        const facts = this.#options.upstreamTls ?? {};
        if (facts !== "refused") return connectHandshake(plain, tlsFacts(facts));
        plain.close();
        return Promise.reject(new ConnectionError("certificate", "Cannot accept the certificate"));
      },
    };
  }

  #log(): Log {
    return {
      enabled: () => true,
      event: (level, event, message, session, fields) => {
        this.#options.telling?.(event);
        const text = JSON.stringify([level, event, message, session, fields]);
        this.log.push({ level, event, message, text });
      },
    };
  }

  #access(): AccessLog {
    return {
      session: (record) => this.sessions.push(structuredClone(record)),
      message: (session, record) => this.messages.push({ session: structuredClone(session), record }),
    };
  }

  #metrics(): Metrics {
    const count = (...parts: readonly unknown[]) => {
      const line = parts.join(" ");
      this.#options.counting?.(line);
      this.counted.push(line);
    };
    return {
      count: (counter, label) => count("count", counter, label),
      observe: () => {},
      moved: (from, to) => {
        if (from !== this.state) throw new Error(`a session that is ${this.state} cannot leave ${from}`);
        this.state = to;
      },
      connectionOpened: () => count("opened"),
      connectionClosed: (_listener, outcome: SessionOutcome) => count("closed", outcome),
      command: (verb, code) => count("command", verb, code),
      tlsHandshake: (side, ok) => count("tls", side, ok),
      auth: (method, outcome) => count("auth", method, outcome),
      upstream: (ok, stage) => count("upstream", ok, stage),
      relayed: (direction, octets) => count("relayed", direction, octets),
    };
  }
}

function hostOf(address: SocketAddress): string {
  return address.kind === "tcp" ? address.host : address.path;
}

/** The callout's yes. */
export function accepted(fields: Partial<Extract<AuthAnswer, { kind: "accepted" }>> = {}): AuthAnswer {
  return {
    kind: "accepted",
    upstreams: [{ kind: "tcp", host: "192.0.2.9", port: 25 }],
    user: null,
    secret: null,
    choices: { tls: null, auth: null, xclient: null, proxyProtocol: null },
    ...fields,
  };
}

/** The callout's no. */
export function refused(fields: Partial<Extract<AuthAnswer, { kind: "refused" }>> = {}): AuthAnswer {
  return { kind: "refused", text: "Bad creds", code: null, waitMs: null, saslChallenge: null, ...fields };
}

/** Runs `body` with a connection under test and sees that nothing of it is left. */
export async function withBench(options: BenchOptions, body: (bench: Bench) => Promise<void>): Promise<void> {
  const bench = new Bench(options);
  let failed = true;
  try {
    await body(bench);
    failed = false;
  } finally {
    bench.client.transport.cut();
    for (const near of bench.dialled) near.cut();
    bench.interrupt("abort");
    const ended = bench.outcome();
    await (failed ? ended.catch(() => {}) : ended);
  }
  const left = [bench.near, ...bench.dialled].filter((transport) => !transport.closed).length;
  if (left > 0) throw new Error(`${left} connections are left open`);
  if (bench.clock.armed > 0) throw new Error(`${bench.clock.armed} waits are left armed`);
  if (bench.ends !== 1) throw new Error(`the owner was told of the end ${bench.ends} times`);
  const opened = bench.counted.filter((line) => line === "opened").length;
  if (opened !== 1) throw new Error(`the connection was counted ${opened} times`);
  if (bench.state !== null) throw new Error(`the session is still counted as ${bench.state}`);
}
