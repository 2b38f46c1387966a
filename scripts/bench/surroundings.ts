/**
 * What all runs share: the helpers, the certificate, the folder.
 *
 * @module
 */
import { selfSigned } from "../self_signed.ts";
import type { AuthServiceReady } from "./auth_service.ts";
import type { BackgroundAnswer, BackgroundRequest } from "./background_clients.ts";
import type { Target } from "./client_session.ts";
import { HelperProgram } from "./helper_program.ts";
import type { IdleRequest } from "./idle_clients.ts";
import type { LoadAnswer, LoadRequest } from "./load_generator.ts";
import type { FloorWay } from "./options.ts";
import type { Processes } from "./processes.ts";
import type { Proxy } from "./proxies.ts";
import type { SinkReady } from "./sink.ts";
import type { SinkTotals } from "./sink_session.ts";

/** What all runs share. */
export interface Surroundings {
  readonly processes: Processes;
  readonly folder: string;
  readonly floorBy: FloorWay;
  /** PEM. */
  readonly certificate: string;
  readonly authPid: number;
  readonly authPort: number;
  readonly sink: HelperProgram<Record<string, never>, SinkTotals>;
  readonly sinkPort: number;
  readonly generator: HelperProgram<LoadRequest, LoadAnswer>;
  readonly background: HelperProgram<BackgroundRequest, BackgroundAnswer>;
  readonly idle: HelperProgram<IdleRequest, { readonly open: number }>;
}

/** Starts the helpers and writes the certificate. */
export async function prepare(
  processes: Processes,
  folder: string,
  floorBy: FloorWay,
): Promise<Surroundings> {
  const { certificate, key } = await selfSigned(["localhost", "127.0.0.1"]);
  await Deno.writeTextFile(`${folder}/cert.pem`, certificate);
  await Deno.writeTextFile(`${folder}/key.pem`, key, { mode: 0o600 });
  const start = HelperProgram.start;
  const auth = await start<never, never, AuthServiceReady>(processes, "auth_service");
  const sink = await start<Record<string, never>, SinkTotals, SinkReady>(processes, "sink");
  const generator = await start<LoadRequest, LoadAnswer, unknown>(processes, "load_generator");
  const background = await start<BackgroundRequest, BackgroundAnswer, unknown>(
    processes,
    "background_clients",
  );
  const idle = await start<IdleRequest, { readonly open: number }, unknown>(processes, "idle_clients");
  return {
    processes,
    folder,
    floorBy,
    certificate,
    authPid: auth.program.pid,
    authPort: auth.ready.port,
    sink: sink.program,
    sinkPort: sink.ready.port,
    generator: generator.program,
    background: background.program,
    idle: idle.program,
  };
}

/** How clients reach a proxy for a load. */
export function targetOf(
  proxy: Proxy,
  { certificate }: Surroundings,
  load: { readonly starttls: boolean },
  pauseMs = 0,
): Target {
  return {
    port: load.starttls ? proxy.starttlsPort : proxy.plainPort,
    certificate: load.starttls ? certificate : null,
    pauseMs,
  };
}
