/**
 * Whole sessions of Postern without sockets: all of it runs but `io` and TLS, between a client, a mail server and an
 * auth service that are scripts.
 *
 * @module
 */
import { limitPorts, limitsInMemory } from "../../src/app/limits.ts";
import { buildServer } from "../../src/app/server_runtime.ts";
import { encodeBase64 } from "../../src/bytes/base64.ts";
import { concatBytes, encodeLatin1 } from "../../src/bytes/latin1.ts";
import { loadConfig } from "../../src/config/load.ts";
import { formatProblem } from "../../src/config/problem.ts";
import type { Config, ServerSettings } from "../../src/config/settings.ts";
import { BufferPool } from "../../src/driver/buffer_pool.ts";
import { Connection } from "../../src/driver/connection.ts";
import type { Services } from "../../src/driver/runtime.ts";
import { UpstreamHealth } from "../../src/driver/upstream_health.ts";
import { createClock } from "../../src/io/deadlines.ts";
import type { Log, SessionOutcome } from "../../src/ports/telemetry.ts";
import type { TlsAcceptor, TlsFacts } from "../../src/ports/transport.ts";
import { MetricMemory } from "../../src/telemetry/metric_memory.ts";
import { CountedMetrics } from "../../src/telemetry/metrics.ts";
import { messageChunk } from "../bench/message.ts";
import { AUTH_RESPONSE } from "./auth_response.ts";
import { ScriptedPeer, type Step } from "./scripted_peer.ts";

/** The short sessions of `scripts/bench`. */
export type SessionLoad = "plain" | "starttls";

/** Serves one session after the other. */
export interface SessionRunner {
  /**
   * Serves one session.
   * @throws {Error} when its message was not relayed as it was sent.
   */
  run(): Promise<void>;
  close(): void;
}

const AUTH_PORT = 9;
const MESSAGE_OCTETS = 1024;
const MESSAGE = concatBytes([messageChunk(MESSAGE_OCTETS, 0), encodeLatin1(".\r\n")]);
const NOTHING = new Uint8Array(0);

const EHLO = line("EHLO client.test");
const MAIL = line("MAIL FROM:<bench@client.test>");
const RCPT = line("RCPT TO:<grace@sink.test>");
const DATA = line("DATA");
const QUIT = line("QUIT");

const GREETING = line("220 sink.test ESMTP");
const KEYWORDS = line("250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME");
const SENDER_OK = line("250 2.1.0 Ok");
const RECIPIENT_OK = line("250 2.1.5 Ok");
const GO_AHEAD = line("354 End data with <CR><LF>.<CR><LF>");
const QUEUED = line("250 2.0.0 Ok: queued as 12345");
const BYE = line("221 2.0.0 Bye");

const TAKEN_MESSAGE: readonly Step[] = [step(DATA, GO_AHEAD), step(MESSAGE, QUEUED), step(QUIT, BYE)];
const SENT_MESSAGE: readonly Step[] = [
  reply("250", DATA),
  reply("354", MESSAGE),
  reply("250", QUIT),
  reply("221", NOTHING),
];

const CLIENT: Readonly<Record<SessionLoad, readonly Step[]>> = {
  plain: [reply("220", EHLO), reply("250", MAIL), reply("250", RCPT), ...SENT_MESSAGE],
  starttls: [
    reply("220", EHLO),
    reply("250", line("STARTTLS")),
    reply("220", EHLO),
    reply("250", line(`AUTH PLAIN ${encodeBase64("\0bench\0correct-horse")}`)),
    reply("235", MAIL),
    reply("250", RCPT),
    ...SENT_MESSAGE,
  ],
};

const OPENING = step(line("EHLO proxy.test"), KEYWORDS);
/** Without a login Postern has the envelope ready, and sends it at once. */
const MAIL_SERVER: Readonly<Record<SessionLoad, readonly Step[]>> = {
  plain: [
    OPENING,
    step(concatBytes([MAIL, RCPT]), concatBytes([SENDER_OK, RECIPIENT_OK])),
    ...TAKEN_MESSAGE,
  ],
  starttls: [OPENING, step(MAIL, SENDER_OK), step(RCPT, RECIPIENT_OK), ...TAKEN_MESSAGE],
};
const AUTH_SERVICE: readonly Step[] = [reply("GET /auth HTTP/1.1\r\n", AUTH_RESPONSE)];

const TLS: TlsFacts = {
  protocol: "TLSv1.3",
  cipher: "TLS_AES_256_GCM_SHA384",
  serverName: null,
  alpn: null,
  resumed: false,
  peer: null,
  verdict: { kind: "none" },
};

/** Says that there was a handshake. */
const acceptor: TlsAcceptor = {
  accept(plain) {
    (plain as ScriptedPeer).tls = TLS;
    return Promise.resolve(plain);
  },
  knows: () => true,
};

/** Postern's counters, and how the last session ended. */
class WatchedMetrics extends CountedMetrics {
  outcome: SessionOutcome | null = null;

  override connectionClosed(listener: string, outcome: SessionOutcome, seconds: number): void {
    this.outcome = outcome;
    super.connectionClosed(listener, outcome, seconds);
  }
}

/** Makes everything ready that a process has before its first connection. */
export async function prepareSessions(load: SessionLoad): Promise<SessionRunner> {
  const clock = createClock();
  const metrics = new WatchedMetrics(new MetricMemory());
  let mailServer: ScriptedPeer | null = null;
  let complaint = "";
  const log: Log = {
    enabled: (level) => level === "error" || level === "crit",
    event: (level, _event, message) => {
      if (level === "error" || level === "crit") complaint = `: ${message}`;
    },
  };
  let connections = 0;
  const services: Services = {
    clock,
    log,
    metrics,
    dialer: {
      resolve: () => Promise.reject(new Error("Nothing has a name here")),
      startTls: () => Promise.reject(new Error("The mail server has no TLS")),
      connect: (target) => {
        if (target.kind === "tcp" && target.port === AUTH_PORT) {
          return Promise.resolve(new ScriptedPeer(NOTHING, AUTH_SERVICE, true));
        }
        return Promise.resolve(mailServer = new ScriptedPeer(GREETING, MAIL_SERVER[load]));
      },
    },
    tracer: null,
    limits: limitPorts(limitsInMemory(metrics)),
    buffers: new BufferPool(),
    health: new UpstreamHealth(clock),
    isOwnListener: () => false,
    newSessionId: () => connections.toString(16).padStart(16, "0"),
    nextConnection: () => ++connections,
    board: null,
    holds: null,
  };
  const settings = settingsFor(load);
  const server = await buildServer(settings, { ...services, access: null, tls: acceptor });
  const listener = { settings: settings.listen[0]!, server, text: "127.0.0.1:25" };
  return {
    async run() {
      metrics.outcome = null;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const owner = {
        over: () => resolve(),
        failed: (_session: Connection, mistake: unknown) => reject(mistake),
      };
      new Connection(new ScriptedPeer(NOTHING, CLIENT[load]), listener, services, owner).serve();
      await promise;
      if (metrics.outcome !== "relayed" || !mailServer?.finished) {
        throw new Error(`A session ended as ${metrics.outcome}${complaint}`);
      }
      mailServer = null;
    },
    close: () => clock.close(),
  };
}

function settingsFor(load: SessionLoad): ServerSettings {
  const config = loadConfig(
    `mail:
  server_name: proxy.test
  auth_http: http://127.0.0.1:${AUTH_PORT}/auth
  xclient: off
  servers:
    - listen: 127.0.0.1:25
      smtp_auth: [${load === "plain" ? "none" : "plain"}]
`,
    "postern.yaml",
    { readText: () => "", hostname: () => "proxy.test" },
  );
  if (Array.isArray(config)) throw new Error(config.map(formatProblem).join("\n"));
  const [server] = (config as Config).servers;
  // The configuration would want a certificate.
  return load === "plain" ? server! : { ...server!, starttls: "on" };
}

function line(text: string): Uint8Array {
  return encodeLatin1(text + "\r\n");
}

function step(hears: Uint8Array, says: Uint8Array): Step {
  return { hears, whole: true, says };
}

/** A step that only looks at how the other begins. */
function reply(begins: string, says: Uint8Array): Step {
  return { hears: encodeLatin1(begins), whole: false, says };
}
