import { decodeLatin1, displayText, encodeUtf8AsByteString } from "../bytes/latin1.ts";
import { parseHostAndPort } from "../config/addresses.ts";
import { createClock } from "../io/deadlines.ts";
import { createDialer } from "../io/dialer.ts";
import { ConnectionError } from "../ports/transport.ts";
import type { CommandIo } from "./cli.ts";
import { parseCommandLine, UsageError } from "./command_options.ts";
import { readPassword } from "./password_input.ts";
import { ProbeFailure, type ProbePlan, runProbe } from "./probe.ts";

const OPTIONS = {
  ssl: { type: "boolean", default: false },
  starttls: { type: "boolean", default: false },
  name: { type: "string" },
  ca: { type: "string" },
  insecure: { type: "boolean", default: false },
  helo: { type: "string", default: "probe.invalid" },
  user: { type: "string" },
  from: { type: "string" },
  to: { type: "string" },
  timeout: { type: "string", default: "30" },
} as const;

const PORTS: Readonly<Record<ProbePlan["tls"], number>> = { off: 25, starttls: 587, ssl: 465 };

/**
 * `postern probe HOST[:PORT]`: speaks to a listener and prints what a client sees. 0 when all went as a client wants
 * it, 1 when something was refused or failed, 2 for wrong usage.
 */
export async function probeCommand(args: string[], io: CommandIo): Promise<number> {
  let plan: ProbePlan;
  try {
    plan = await readPlan(args, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  }
  const clock = createClock();
  try {
    const say = (line: string) => io.out(line + "\n");
    await runProbe(plan, { clock, dialer: createDialer(), say, now: Date.now });
    say("ok");
    return 0;
  } catch (error) {
    if (!(error instanceof ProbeFailure) && !(error instanceof ConnectionError)) throw error;
    io.err(`failed: ${displayText(encodeUtf8AsByteString(error.message))}\n`);
    return 1;
  } finally {
    clock.close();
  }
}

async function readPlan(args: string[], io: CommandIo): Promise<ProbePlan> {
  const { values, positionals } = parseCommandLine("probe", args, OPTIONS);
  const [text, ...others] = positionals;
  if (text === undefined || others.length > 0) throw usage("expected one HOST or HOST:PORT");
  if (values.ssl && values.starttls) throw usage("--ssl or --starttls, not both");
  const tls = values.ssl ? "ssl" : values.starttls ? "starttls" : "off";
  const parts = parseHostAndPort(text);
  if (parts === null || parts.port === 0) {
    throw usage(`expected a host such as mail.example.com:587 or [::1]:25, found "${text}"`);
  }
  if ((values.from === undefined) !== (values.to === undefined)) throw usage("--from and --to go together");
  const line = [values.helo, values.from ?? "", values.to ?? ""].join("");
  if (/[\r\n]/.test(line)) throw usage("a command is one line");
  const seconds = Number(values.timeout);
  if (!(seconds >= 1 && seconds <= 600)) throw usage("--timeout is a number of seconds from 1 to 600");
  return {
    target: { kind: "tcp", host: parts.host, port: parts.port ?? PORTS[tls] },
    tls,
    serverName: values.name ?? parts.host,
    verify: !values.insecure,
    trustedCertificates: values.ca === undefined ? null : readFile(values.ca),
    helo: encodeUtf8AsByteString(values.helo),
    login: values.user === undefined
      ? null
      : { user: encodeUtf8AsByteString(values.user), secret: decodeLatin1(await readPassword(io)) },
    envelope: values.from === undefined || values.to === undefined
      ? null
      : { from: encodeUtf8AsByteString(values.from), to: encodeUtf8AsByteString(values.to) },
    stepMs: seconds * 1000,
  };
}

function readFile(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch (error) {
    throw usage(`cannot read ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function usage(text: string): UsageError {
  return new UsageError(`postern probe: ${text}`);
}
