/**
 * Postern: an SMTP edge proxy with nginx's directives and nginx's `auth_http` protocol.
 *
 * Run as a program it is the command line (`deno task start --config FILE`); as a library it loads a configuration
 * and serves it.
 *
 * @module
 */
import { main } from "./src/app/cli.ts";

export { type FileAccess, loadConfig } from "./src/config/load.ts";
export { type ConfigProblem, formatProblem } from "./src/config/problem.ts";
export type { Config, MainSettings, ServerSettings } from "./src/config/settings.ts";
export { type Postern, serve, type ServeOptions } from "./src/app/serve.ts";
export type { Log, LogFields, LogLevel, Metrics, SessionContext } from "./src/ports/telemetry.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
