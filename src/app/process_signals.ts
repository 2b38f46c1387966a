import type { Log } from "../ports/telemetry.ts";
import type { Reloads } from "./reloads.ts";
import { RuntimeDebugger } from "./runtime_debugger.ts";
import type { Workers } from "./workers.ts";
import { StopSignals } from "./stop_signals.ts";

/** How long sessions may go on after SIGTERM or SIGINT, milliseconds. */
const GRACE_MS = 10_000;
/** After SIGQUIT sessions end on their own (nginx: graceful shutdown); a day bounds it. */
const QUIT_GRACE_MS = 24 * 3_600_000;

/** What the signals of the process mean. They are heard until its end: one that nobody hears kills it. */
export class ProcessSignals {
  readonly #log: Log;
  readonly #asked = Promise.withResolvers<"stop" | "quit">();
  readonly #debugger = new RuntimeDebugger();
  #postern: Workers | null = null;
  #reloads: Reloads | null = null;
  /** Whether SIGHUP came: what it asks for is not forgotten when it comes before all is ready. */
  #reloadAsked = false;

  constructor(log: Log) {
    this.#log = log;
    const signals = new StopSignals(() => performance.now());
    for (const signal of ["SIGTERM", "SIGINT", "SIGQUIT"] as const) {
      hear(signal, () => {
        const order = signals.hear(signal);
        if (order === "cut") void this.#postern?.stop(0);
        else if (order !== "nothing") this.#asked.resolve(order);
      });
    }
    hear("SIGHUP", () => void this.#reloads?.reload());
    hear("SIGUSR1", () => {
      void this.#reloads?.logs.reopen();
      void this.#shutDebugger();
    });
  }

  /** Serves until a signal asks for the end, which `began` is told of, then stops; a second signal cuts what is left. */
  async serve(postern: Workers, reloads: Reloads, began: () => void): Promise<void> {
    this.#postern = postern;
    this.#reloads = reloads;
    if (this.#reloadAsked) void reloads.reload();
    const order = await this.#asked.promise;
    began();
    await reloads.stop();
    const { sessions } = postern;
    this.#log.event("notice", "stopping", "no new connections are accepted", null, { sessions });
    const limitMs = reloads.config.main.worker_shutdown_timeout;
    await postern.stop(limitMs ?? (order === "quit" ? QUIT_GRACE_MS : GRACE_MS));
  }

  async #shutDebugger(): Promise<void> {
    const outcome = await this.#debugger.shut();
    if (outcome === "shut") {
      const text = "the debugger that the runtime opens on SIGUSR1 is shut again";
      this.#log.event("info", "debugger_shut", text, null);
    } else if (outcome === "forbidden") {
      const text =
        "the runtime opens its debugger on 127.0.0.1:9229 when SIGUSR1 comes: to shut it, Postern needs " +
        "--allow-sys";
      this.#log.event("alert", "debugger_open", text, null);
    }
  }
}

/** Listens for a signal where there is one of that name. */
function hear(signal: Deno.Signal, heard: () => void): void {
  try {
    Deno.addSignalListener(signal, heard);
  } catch (error) {
    // Windows has SIGINT, and few others.
    if (Deno.build.os !== "windows") throw error;
  }
}
