/**
 * Changes of the configuration while the process runs: all of it or nothing.
 *
 * @module
 */
import { formatSocketAddress } from "../bytes/socket_address.ts";
import type { Config } from "../config/settings.ts";
import type { AdminListener, PreparedAdmin } from "./admin_listener.ts";
import type { ChosenConfig } from "./config_option.ts";
import type { CurrentLog } from "./current_log.ts";
import type { Logs } from "./open_logs.ts";
import type { PreparedConfig } from "./serve.ts";
import { workerCount, type Workers } from "./workers.ts";

/** How a change ended. */
export interface ReloadOutcome {
  readonly ok: boolean;
  /** For people: what has changed, or each problem; lines. */
  readonly text: string;
}

/** What a change is made with. */
export interface ReloadPorts {
  /** Reads the configuration anew. */
  readonly read: () => ChosenConfig;
  /** Opens the logs of a configuration. */
  readonly openLogs: (config: Config) => Logs;
  readonly postern: Workers;
  readonly admin: AdminListener;
  /** The log of the process. */
  readonly log: CurrentLog;
}

/** A configuration that all parts of the process are ready for. */
interface Ready {
  readonly config: Config;
  readonly leftOut: string;
  readonly logs: Logs;
  readonly servers: PreparedConfig;
  readonly admin: PreparedAdmin;
}

/** The configuration in force, and its changes, one after the other. */
export class Reloads {
  readonly #ports: ReloadPorts;
  #config: Config;
  #logs: Logs;
  #count = 0;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();
  #waiting: Promise<ReloadOutcome> | null = null;

  constructor(config: Config, logs: Logs, ports: ReloadPorts) {
    this.#config = config;
    this.#logs = logs;
    this.#ports = ports;
  }

  /** The configuration in force. */
  get config(): Config {
    return this.#config;
  }

  /** The logs in force. */
  get logs(): Logs {
    return this.#logs;
  }

  /**
   * Reads the configuration and puts it in force, or says why that cannot be. Whoever asks while another change waits
   * for its turn gets that one's outcome: it will read what there is now.
   */
  reload(): Promise<ReloadOutcome> {
    if (this.#waiting !== null) return this.#waiting;
    const next = this.#running.then(() => {
      this.#waiting = null;
      return this.#reload();
    });
    this.#waiting = next;
    this.#running = next;
    return next;
  }

  /** From now on nothing changes. Settles when no change is under way. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  async #reload(): Promise<ReloadOutcome> {
    if (this.#stopping) return { ok: false, text: "postern: the process is about to end\n" };
    try {
      return await this.#commit(await this.#prepare());
    } catch (error) {
      const text = error instanceof ConfigFault ? error.message : `postern: ${reasonOf(error)}\n`;
      return this.#fail(text);
    }
  }

  /** @throws {ConfigFault | Error} when something is in the way; all is as it was then. */
  async #prepare(): Promise<Ready> {
    const { read, openLogs, postern, admin } = this.#ports;
    const chosen = read();
    if (!chosen.ok) throw new ConfigFault(chosen.text);
    const { config, leftOut } = chosen;
    const logs = openLogs(config);
    let servers: PreparedConfig | null = null;
    try {
      servers = await postern.prepare(config, logs);
      return {
        config,
        leftOut,
        logs,
        servers,
        admin: await admin.prepare(config),
      };
    } catch (error) {
      servers?.abort();
      await logs.close();
      throw error;
    }
  }

  async #commit({ config, leftOut, logs, servers, admin }: Ready): Promise<ReloadOutcome> {
    const { postern, log } = this.#ports;
    const before = postern.addresses.map(formatSocketAddress);
    const notices = notApplied(this.#config, config);
    log.use(logs.process);
    this.#config = config;
    this.#logs = logs;
    const { sessions } = postern;
    await servers.commit();
    await admin.commit();
    const after = postern.addresses.map(formatSocketAddress);
    for (const address of after.filter((each) => !before.includes(each))) {
      log.event("notice", "listening", `listening on ${address}`, null, { address });
    }
    for (const address of before.filter((each) => !after.includes(each))) {
      log.event("notice", "listening_ended", `no longer listening on ${address}`, null, { address });
    }
    for (const notice of notices) log.event("warn", "restart_needed", notice, null);
    const generation = ++this.#count + 1;
    const fields = { generation, listeners: after.length, workers: postern.count, sessions };
    log.event("notice", "reloaded", "the configuration has changed", null, fields);
    const text = `postern: reloaded, ${sessions} sessions go on under the configuration before\n`;
    return { ok: true, text: leftOut + notices.map((each) => `postern: ${each}\n`).join("") + text };
  }

  #fail(text: string): ReloadOutcome {
    const { log } = this.#ports;
    const problems = text.split("\n").filter((line) => line !== "");
    for (const problem of problems) log.event("error", "config_problem", problem, null);
    const message = "the configuration cannot be used: nothing has changed";
    log.event("error", "reload_failed", message, null, { problems: problems.length });
    return { ok: false, text };
  }
}

/** The configuration is bad; the message has a line for each problem. */
class ConfigFault extends Error {
  override readonly name = "ConfigFault";
}

/** What only a start brings into force. */
function notApplied(before: Config, after: Config): string[] {
  const notices = [];
  if (workerCount(before) === 1 && workerCount(after) > 1) {
    notices.push("worker_processes: one worker stays one until Postern is started again");
  }
  if (before.main.pid !== after.main.pid) {
    notices.push("pid: the file stays where it is until Postern is started again");
  }
  if (storeOf(before) !== storeOf(after)) {
    notices.push("limit_store: the counts of limits stay where they are until Postern is started again");
  }
  const backlogs = new Map(listenersOf(before).map(({ text, backlog }) => [text, backlog]));
  for (const { text, backlog } of listenersOf(after)) {
    if ((backlogs.get(text) ?? backlog) === backlog) continue;
    notices.push(`listen: the backlog of ${text} stays as it is until Postern is started again`);
  }
  return notices;
}

/** All that is said about the store of limits. */
function storeOf({ main }: Config): string {
  const said = Object.entries(main).filter(([name]) => name.startsWith("limit_store"));
  return JSON.stringify(said);
}

function listenersOf({ servers }: Config) {
  return servers.flatMap(({ listen }) => listen);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
