import { createHmac } from "node:crypto";
import { decodeLatin1, displayText, encodeUtf8AsByteString } from "../bytes/latin1.ts";
import { formatSocketAddress } from "../bytes/socket_address.ts";
import { parseIp } from "../bytes/ip_address.ts";
import type { Config, ServerSettings } from "../config/settings.ts";
import type { ClientFacts } from "../driver/upstream_request.ts";
import { createClock } from "../io/deadlines.ts";
import { createDialer } from "../io/dialer.ts";
import type { AuthAnswer } from "../ports/auth_backend.ts";
import type { TlsFacts } from "../ports/transport.ts";
import type { ClientQuestion } from "../session/client_machine.ts";
import { composeLogs } from "../telemetry/composed_log.ts";
import { NO_METRICS } from "../telemetry/metrics.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { CONFIG_OPTIONS, readChosenConfig } from "./config_option.ts";
import { explainAnswer } from "./explain_answer.ts";
import { MAX_PASSWORD_OCTETS, readPassword } from "./password_input.ts";
import { RecordingDialer } from "./recording_dialer.ts";
import { buildServer } from "./server_runtime.ts";

const OPTIONS = {
  ...CONFIG_OPTIONS,
  server: { type: "string" },
  user: { type: "string" },
  method: { type: "string" },
  client: { type: "string", default: "127.0.0.1" },
  helo: { type: "string", default: "localhost" },
  from: { type: "string", default: "" },
  to: { type: "string", default: "postmaster" },
  tls: { type: "boolean", default: false },
  sni: { type: "string" },
} as const;

const METHODS = ["plain", "login", "cram-md5", "xoauth2", "oauthbearer", "none"] as const;
type Method = typeof METHODS[number];

const EXIT: Readonly<Record<AuthAnswer["kind"], number>> = { accepted: 0, refused: 1, failed: 3 };

/**
 * `postern test-auth`: asks the auth service of a server as the proxy would for a client, and says what would follow.
 * 0 when the client is let in, 1 when it is refused, 3 without a usable answer, 2 for wrong usage or configuration.
 */
export async function testAuthCommand(args: string[], io: CommandIo): Promise<number> {
  try {
    const options = parseOptions("test-auth", args, OPTIONS);
    const chosen = readChosenConfig("test-auth", options);
    if (!chosen.ok) {
      io.err(chosen.text);
      return 2;
    }
    const server = findServer(chosen.config, options.server);
    const method = readMethod(options.method, server);
    const secret = method === "none" ? "" : await readSecret(io);
    const client = readClient(options.client);
    const question = makeQuestion(method, secret, options);
    const tls = options.tls || demandsTls(server) ? tlsFacts(options.sni ?? null) : null;
    return await ask({ server, question, client, helo: options.helo, tls }, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
}

interface Asked {
  readonly server: ServerSettings;
  readonly question: ClientQuestion;
  readonly client: string;
  readonly helo: string;
  readonly tls: TlsFacts | null;
}

async function ask({ server, question, client, helo, tls }: Asked, io: CommandIo): Promise<number> {
  const clock = createClock();
  const dialer = new RecordingDialer(createDialer());
  const runtime = await buildServer(server, {
    clock,
    dialer,
    log: composeLogs([]),
    access: null,
    tls: null,
    metrics: NO_METRICS,
  });
  const listen = server.listen[0]!;
  const facts: ClientFacts = {
    client: { host: client, port: 49152 },
    clientHost: "[UNAVAILABLE]",
    local: listen.address,
    tls,
    helo: encodeUtf8AsByteString(helo),
    esmtp: true,
  };
  try {
    const began = performance.now();
    const answer = await runtime.auth.ask({
      ...question,
      client: facts.client,
      server: facts.local,
      clientHost: facts.clientHost,
      proxyProtocol: null,
      tls,
      sessionId: "test-auth",
      traceparent: null,
    }, new AbortController().signal);
    const ms = Math.round(performance.now() - began);
    const who = server.auth_http === null
      ? "users of the file"
      : server.auth_http.map(({ address }) => formatSocketAddress(address)).join(" or ");
    io.out(`asked ${who} for the server ${listen.text}, answered in ${ms} ms\n`);
    io.out(showExchange(dialer));
    for (const line of explainAnswer(answer, question, runtime, facts)) io.out(line + "\n");
    return EXIT[answer.kind];
  } finally {
    runtime.auth.close();
    clock.close();
  }
}

function findServer({ servers }: Config, text: string | undefined): ServerSettings {
  const found = text === undefined
    ? servers[0]
    : servers.find(({ listen }) => listen.some((each) => each.text === text));
  if (found !== undefined) return found;
  const known = servers.flatMap(({ listen }) => listen.map((each) => each.text)).join(", ");
  throw new UsageError(`postern test-auth: no server listens on "${text}": expected one of ${known}`);
}

function readMethod(text: string | undefined, { smtp_auth }: ServerSettings): Method {
  const fallback = METHODS.find((method) => (smtp_auth as readonly string[]).includes(method)) ?? "plain";
  const method = METHODS.find((known) => known === (text ?? fallback));
  if (method !== undefined) return method;
  throw new UsageError(`postern test-auth: --method is one of ${METHODS.join(", ")}, found "${text}"`);
}

function readClient(text: string): string {
  if (parseIp(text) !== null) return text;
  throw new UsageError(`postern test-auth: --client is an IP address, found "${text}"`);
}

async function readSecret(io: CommandIo): Promise<string> {
  const octets = await readPassword(io);
  if (octets.length <= MAX_PASSWORD_OCTETS) return decodeLatin1(octets);
  throw new UsageError(`postern test-auth: a password has at most ${MAX_PASSWORD_OCTETS} octets`);
}

function makeQuestion(
  method: Method,
  secret: string,
  { user, helo, from, to }: { user?: string; helo: string; from: string; to: string },
): ClientQuestion {
  const base = { attempt: 1, salt: null, envelope: null };
  if (method === "none") {
    const mail = `MAIL FROM:<${encodeUtf8AsByteString(from)}>`;
    const rcpt = `RCPT TO:<${encodeUtf8AsByteString(to)}>`;
    const envelope = { helo: encodeUtf8AsByteString(helo), mail, rcpt };
    return { ...base, method, user: "", secret: "", envelope };
  }
  if (user === undefined) throw new UsageError("postern test-auth: --user NAME is missing");
  const login = encodeUtf8AsByteString(user);
  if (method === "cram-md5") {
    const salt = `<1.${Math.floor(Date.now() / 1000)}@postern.test-auth>`;
    const digest = createHmac("md5", Uint8Array.from(secret, (unit) => unit.charCodeAt(0))).update(salt)
      .digest("hex");
    return { ...base, method, user: login, secret: digest, salt };
  }
  // The service is told "plain" for both.
  return { ...base, method: method === "login" ? "plain" : method, user: login, secret };
}

/** Whether the auth service is never asked about a client of this server that has no TLS. */
function demandsTls({ starttls, listen }: ServerSettings): boolean {
  return starttls === "only" || listen.every(({ ssl }) => ssl);
}

/** As a client with a current library has it. */
function tlsFacts(serverName: string | null): TlsFacts {
  return {
    protocol: "TLSv1.3",
    cipher: "TLS_AES_256_GCM_SHA384",
    serverName,
    alpn: null,
    resumed: false,
    peer: null,
    verdict: { kind: "none" },
  };
}

/** The heads of request and answer, without what is secret. */
function showExchange({ sent, received }: RecordingDialer): string {
  const show = (mark: string, text: string) =>
    headLines(text).map((line) => `${mark} ${displayText(withoutSecret(line))}\n`).join("");
  return show(">", sent) + show("<", received);
}

function headLines(text: string): string[] {
  const end = text.indexOf("\r\n\r\n");
  return (end < 0 ? text : text.slice(0, end)).split("\r\n").filter((line) => line !== "");
}

function withoutSecret(line: string): string {
  return line.replace(
    /^(auth-pass|authorization|cookie|set-cookie|x-[^:]*(?:key|token|secret)[^:]*):.*/i,
    "$1: ***",
  );
}
