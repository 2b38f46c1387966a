/**
 * Keeps the runtime's debugger shut.
 *
 * Since 2.9.2 Deno answers SIGUSR1 by opening its debugger on 127.0.0.1:9229, beside whatever the program does on
 * that signal, and has no switch for it. Every user of the host could then read credentials and run code as Postern.
 *
 * @module
 */
import inspector from "node:inspector";

/** The part of `node:inspector` that is needed. Without `--allow-sys` both throw. */
export interface Inspector {
  /** Where the debugger listens; undefined: it does not. */
  url(): string | undefined;
  close(): void;
}

/** How often is looked for the debugger, and how many times: the runtime opens it beside us. */
const LOOK_EVERY_MS = 2;
const LOOKS = 500;

/** The debugger of this process, which stays open only for who asked for it with `--inspect`. */
export class RuntimeDebugger {
  readonly #inspector: Inspector;
  readonly #pause: () => Promise<void>;
  readonly #asked: boolean;

  /** Begins before any SIGUSR1 can come. */
  constructor(from: Inspector = inspector, pause: () => Promise<void> = pauseLooking) {
    this.#inspector = from;
    this.#pause = pause;
    this.#asked = typeof this.#where() === "string";
  }

  /**
   * Shuts the debugger that SIGUSR1 is about to open. `forbidden`: it may be open, and the process was started
   * without the permission to see to it.
   */
  async shut(): Promise<"shut" | "never open" | "asked for" | "forbidden"> {
    if (this.#asked) return "asked for";
    for (let look = 0; look < LOOKS; look++) {
      const where = this.#where();
      if (where === null) return "forbidden";
      if (where !== undefined) {
        this.#inspector.close();
        return "shut";
      }
      await this.#pause();
    }
    return "never open";
  }

  /** Null: one may not ask. */
  #where(): string | undefined | null {
    try {
      return this.#inspector.url();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotCapable)) throw error;
      return null;
    }
  }
}

function pauseLooking(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
}
