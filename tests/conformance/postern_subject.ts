/**
 * Postern itself, as an operator starts it.
 *
 * @module
 */
import { PosternProcess } from "../support/postern_process.ts";
import type { Directives } from "./dialogue.ts";
import {
  AddressTaken,
  listenAddress,
  type ProcessPlan,
  type RunningSubject,
  type Subject,
} from "./subject.ts";

/** Headers that Postern adds to nginx's (difference `callout-headers`). */
const ADDED = ["Client-Port", "Server-Addr", "Server-Port", "Auth-SSL-SNI", "Auth-Session"];

/** Postern as a subject: in its own ways, or with `compat: nginx`. */
export function posternSubject(ways: "postern" | "compat"): Subject {
  return {
    name: ways === "postern" ? "Postern" : "Postern, compat nginx",
    ways,
    version: null,
    asNginxSends: ways === "postern" ? withoutAdditions : withoutVersion,
    start: (plan) => start(plan, ways === "compat" ? { compat: "nginx" } : {}),
  };
}

function withoutAdditions(request: readonly string[]): readonly string[] {
  return withoutVersion(request.filter((line) => !ADDED.some((name) => line.startsWith(`${name}:`))));
}

/** Undoes the difference `callout-transport`. */
function withoutVersion([requestLine = "", ...headers]: readonly string[]): readonly string[] {
  return [requestLine.replace(/HTTP\/1\.1$/, "HTTP/1.0"), ...headers];
}

async function start(plan: ProcessPlan, main: Directives): Promise<RunningSubject> {
  const file = `${plan.directory}/postern.yaml`;
  const servers = plan.servers.map(({ endpoint, ssl, proxyProtocol, directives }) => ({
    listen: `${listenAddress(endpoint)}${ssl ? " ssl" : ""}${proxyProtocol ? " proxy_protocol" : ""}`,
    ...directives,
  }));
  // JSON is YAML.
  await Deno.writeTextFile(file, JSON.stringify({ mail: { ...main, ...plan.mail, servers } }, null, 2));
  try {
    const postern = await PosternProcess.start(file);
    return {
      log: () => Promise.resolve(postern.log.map((line) => JSON.stringify(line)).join("\n")),
      stop: () => postern.stop(),
    };
  } catch (error) {
    if (error instanceof Error && /AddrInUse|in use/.test(error.message)) {
      throw new AddressTaken(error.message);
    }
    throw error;
  }
}
