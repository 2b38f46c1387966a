import type { SessionContext } from "../ports/telemetry.ts";

/** A client for a log line: `192.0.2.1:4711`, `[2001:db8::1]:4711`, or `unix:`. */
export function clientText({ host, port }: SessionContext["client"]): string {
  if (host === "unix:") return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
