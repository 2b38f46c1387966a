import { createClock } from "../io/deadlines.ts";
import { AdminClient, AdminError } from "./admin_client.ts";
import { ADMIN_OPTIONS, findAdmin } from "./admin_option.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";
import { renderFrame, renderNotice, type Screen } from "./top_frame.ts";
import { readSample, TopChange, type TopSample } from "./top_sample.ts";

const OPTIONS = {
  ...ADMIN_OPTIONS,
  interval: { type: "string", default: "2" },
  once: { type: "boolean", default: false },
} as const;

/** Sessions that are looked at to tell the users. */
const MOST_SESSIONS = 10_000;

/** Alternate screen without a cursor, and back. */
const ENTER = "\x1b[?1049h\x1b[?25l";
const LEAVE = "\x1b[?25h\x1b[?1049l";

/**
 * `postern top`: a live view over the admin listener until Ctrl-C or q. 0, or 1 when `--once` gets no answer, or 2 for
 * wrong usage.
 */
export async function topCommand(args: string[], io: CommandIo): Promise<number> {
  const clock = createClock();
  try {
    const options = parseOptions("top", args, OPTIONS);
    const seconds = Number(options.interval);
    if (!(seconds >= 0.1 && seconds <= 3600)) {
      throw usage("--interval is a number of seconds from 0.1 to 3600");
    }
    const { address, token } = findAdmin("top", options);
    const client = new AdminClient(address, token, clock);
    const live = !options.once && Deno.stdout.isTerminal();
    return live ? await watch(client, seconds * 1000, io) : await showOnce(client, seconds * 1000, io);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    io.err(error.message + "\n");
    return 2;
  } finally {
    clock.close();
  }
}

async function sample(client: AdminClient): Promise<TopSample> {
  const [metrics, sessions, holds] = await Promise.all([
    client.get("/metrics"),
    client.get(`/sessions?limit=${MOST_SESSIONS}`),
    client.get("/holds"),
  ]);
  return readSample(Date.now(), metrics, sessions, holds);
}

/** Rates need two readings. */
async function showOnce(client: AdminClient, intervalMs: number, io: CommandIo): Promise<number> {
  try {
    const before = await sample(client);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
    const change = new TopChange(before, await sample(client));
    const screen = { ...screenSize(), rows: Number.MAX_SAFE_INTEGER, colour: hasColour() };
    io.out(renderFrame(change, screen).join("\n") + "\n");
    return 0;
  } catch (error) {
    if (!(error instanceof AdminError)) throw error;
    io.err(`postern top: ${error.message}\n`);
    return 1;
  }
}

async function watch(client: AdminClient, intervalMs: number, io: CommandIo): Promise<number> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  const signals = Deno.build.os === "windows"
    ? ["SIGINT"] as const
    : ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) Deno.addSignalListener(signal, stop);
  const keys = listenForQ(stop);
  io.out(ENTER);
  try {
    let before: TopSample | null = null;
    while (!stopping.signal.aborted) {
      let lines: string[];
      const screen = { ...screenSize(), colour: hasColour() };
      try {
        const now = await sample(client);
        lines = before === null
          ? renderNotice("the first figures come with the second reading", screen)
          : renderFrame(new TopChange(before, now), screen);
        before = now;
      } catch (error) {
        if (!(error instanceof AdminError)) throw error;
        lines = renderNotice(error.message, screen);
        before = null;
      }
      if (!stopping.signal.aborted) {
        io.out(`\x1b[H${lines.map((line) => line + "\x1b[K").join("\r\n")}\x1b[J`);
      }
      await pause(intervalMs, stopping.signal);
    }
    return 0;
  } finally {
    io.out(LEAVE);
    keys.release();
    for (const signal of signals) Deno.removeSignalListener(signal, stop);
  }
}

/** Reads keys as they are typed, unseen; Ctrl-C stays a signal. */
function listenForQ(stop: () => void): { release(): void } {
  if (!Deno.stdin.isTerminal()) return { release() {} };
  Deno.stdin.setRaw(true, { cbreak: true });
  const buffer = new Uint8Array(16);
  void (async () => {
    for (;;) {
      const count = await Deno.stdin.read(buffer);
      if (count === null) return;
      if (buffer.subarray(0, count).some((octet) => octet === 0x71 || octet === 0x51)) return stop();
    }
  })().catch(() => {/* the terminal is gone: the signal of that ends the view */});
  return { release: () => Deno.stdin.setRaw(false) };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done);
  });
}

function screenSize(): Pick<Screen, "columns" | "rows"> {
  try {
    return Deno.consoleSize();
  } catch {
    return { columns: 110, rows: 40 };
  }
}

function hasColour(): boolean {
  return Deno.stdout.isTerminal() && !Deno.noColor;
}

function usage(text: string): UsageError {
  return new UsageError(`postern top: ${text}`);
}
