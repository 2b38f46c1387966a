/** The effective configuration, as YAML that can be loaded again. */
import { stringify } from "@std/yaml";
import { type AnyDirective, processDirectives, serverDirectives } from "./definitions.ts";
import { formatListen } from "./listen.ts";
import type { Config, MainSettings, ServerSettings } from "./settings.ts";
import type { Printable } from "./value_type.ts";

/**
 * Writes every directive of every server with the value that holds. Password hashes are secrets and appear as
 * `***`; all else gives the same settings when it is loaded.
 */
export function printConfig(config: Config): string {
  const servers = config.servers.map(printServer);
  return stringify({ mail: { ...printMain(config.main), servers } });
}

/** Numbers without quotes: they are read as the text they are in any case. */
function withPlainNumbers(value: Printable): Printable | number {
  return typeof value === "string" && /^(0|[1-9]\d{0,14})$/.test(value) ? Number(value) : value;
}

function printMain(main: MainSettings): Record<string, Printable | number> {
  const printed: Record<string, Printable | number> = {};
  for (const [name, directive] of Object.entries(processDirectives) as [keyof MainSettings, AnyDirective][]) {
    printed[name] = withPlainNumbers(directive.type.print(main[name]));
  }
  if (main.error_log.length > 0) printed["error_log"] = serverDirectives.error_log.type.print(main.error_log);
  return printed;
}

function printServer(server: ServerSettings): Record<string, Printable | number> {
  const apart: Readonly<Record<string, Printable | null>> = {
    listen: server.listen.map((settings) => formatListen({ settings, ipv6only: null })),
    // Each listener says so itself, with its parameter "ssl".
    ssl: null,
    protocol: "smtp",
    ssl_certificate: server.ssl_certificates.map(({ certificate }) => certificate),
    ssl_certificate_key: server.ssl_certificates.map(({ key }) => key),
    ssl_ecdh_curve: String(serverDirectives.ssl_ecdh_curve.default),
    ssl_session_cache: String(serverDirectives.ssl_session_cache.default),
  };
  const printed: Record<string, Printable | number> = {};
  for (const [name, directive] of Object.entries(serverDirectives) as [string, AnyDirective][]) {
    const value = Object.hasOwn(apart, name)
      ? apart[name] ?? null
      : directive.type.print(server[name as keyof ServerSettings]);
    if (value !== null) printed[name] = withPlainNumbers(value);
  }
  return printed;
}
