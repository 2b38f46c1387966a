/**
 * `deno task bench`: the same load through nginx and Postern in turn, on this machine, in one go.
 *
 * @module
 */
import { Beds } from "./beds.ts";
import { type Case, CASES, quickCase } from "./cases.ts";
import type { Run } from "./measures.ts";
import { type BenchOptions, parseBenchOptions, USAGE } from "./options.ts";
import { Processes } from "./processes.ts";
import { describeMachine, fileExists, missingPackages, raiseDescriptors } from "./requirements.ts";
import { runCase } from "./run_case.ts";
import { prepare } from "./surroundings.ts";
import { caseTable, scalingText, summarize, type Summary } from "./table.ts";

/** What is equal for both, for the reader of the numbers. */
const TERMS =
  `One worker each unless said otherwise, the same certificate (ECDSA P-256), TLS 1.2 and 1.3, one auth service,
xclient off, buffers of 4 KB (smtp_client_buffer, proxy_buffer), logs at level error. CPU time is user and system
time of all threads of the serving processes. Medians; ratios are Postern / nginx of each pair.`;
/** The whole bench, milliseconds, but for the sessions that make the proxies warm. */
const FULL_MS = 15 * 60_000;
const QUICK_MS = 4 * 60_000;
/** For each session of `--warm`: up to four kinds of sessions through three proxies, 5 ms each. */
const WARM_MS = 60;

const processes = new Processes();

async function main(args: string[]): Promise<number> {
  let options: BenchOptions;
  try {
    options = parseBenchOptions(args, Deno.env.get("TMPDIR") ?? "/tmp");
  } catch (error) {
    console.error(`${reason(error)}\n${USAGE}`);
    return 2;
  }
  const missing = missingPackages(fileExists);
  if (missing.length > 0) {
    console.error(`The bench needs programs that are not installed: apt-get install ${missing.join(" ")}`);
    return 2;
  }
  const folder = await Deno.makeTempDir({ prefix: "postern-bench-" });
  await Deno.chmod(folder, 0o755); // smtp-sink gives its privileges away
  const interrupted = Promise.withResolvers<never>();
  const give = (why: string) => interrupted.reject(new Error(why));
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => give(signal));
  const limitMs = (options.quick ? QUICK_MS : FULL_MS) * (options.floor ? 1.5 : 1) + options.warm * WARM_MS;
  const late = setTimeout(() => give(`not finished after ${limitMs / 60_000} minutes`), limitMs);
  try {
    await Promise.race([bench(options, folder), interrupted.promise]);
    return 0;
  } catch (error) {
    console.error(`\nThe bench failed: ${reason(error)}`);
    return 1;
  } finally {
    clearTimeout(late);
    await processes.endAll();
    await Deno.remove(folder, { recursive: true });
  }
}

async function bench(options: BenchOptions, folder: string): Promise<void> {
  await raiseDescriptors();
  const machine = await describeMachine();
  const cores = navigator.hardwareConcurrency;
  console.log(Object.entries(machine).map(([name, value]) => `${name}: ${value}`).join(", ") + `\n${TERMS}`);
  const surroundings = await prepare(processes, folder, options.floorBy);
  const cases = CASES.filter(({ load }) => options.only.includes(load))
    .map((load) => options.quick ? quickCase(load) : load);
  const runs: Run[] = [];
  const summaries = new Map<string, Summary>();
  const beds = new Beds(surroundings);
  for (const load of cases) {
    console.log(`\n(${load.load}) ${load.title}: ${sizeOf(load)}, ${options.pairs} pairs`);
    const ofCase = await runCase(load, options, surroundings, beds);
    runs.push(...ofCase);
    const summary = summarize(ofCase);
    summaries.set(load.name, summary);
    console.log(caseTable(load, summary, cores));
    // After each load: what was measured is not lost when a later one fails.
    const record = {
      date: new Date().toISOString(),
      machine,
      options,
      cases,
      runs,
      summaries: Object.fromEntries(summaries),
    };
    await Deno.writeTextFile(options.json, JSON.stringify(record, null, 1) + "\n");
  }
  await beds.end();
  const [one, two] = [summaries.get("g 1"), summaries.get("g 2")];
  if (one !== undefined && two !== undefined) console.log("(g) two workers\n" + scalingText(one, two, cores));
  console.log(`Every run: ${options.json}`);
}

function sizeOf(load: Case): string {
  switch (load.kind) {
    case "sessions":
      return `${load.sessions} sessions, ${load.concurrency} at a time`;
    case "latency":
      return `sessions for ${load.seconds} s, a command of each other one every ${load.pauseMs} ms`;
    case "idle":
      return `${load.connections} connections`;
  }
}

function reason(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (import.meta.main) Deno.exit(await main(Deno.args));
