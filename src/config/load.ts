/**
 * From the text of a configuration file to settings: YAML, then directives, then inheritance, then the rules that
 * hold between directives, then the files they name. Every step goes on after a problem, so that a user sees all
 * of them at once.
 *
 * @module
 */
import { checkAdmin } from "./admin_checks.ts";
import { checkLimitStore } from "./limit_store_checks.ts";
import { processDirectives, serverDirectives, type ServerDirectiveValues } from "./definitions.ts";
import { defaultOf, EffectiveServer, Level } from "./effective.ts";
import { directoryOf, type FileAccess, joinPath } from "./file_access.ts";
import { FileChecks } from "./file_checks.ts";
import { type AdminListen, checkListeners } from "./listener_checks.ts";
import { nearName } from "./near_name.ts";
import { type ConfigProblem, ProblemList, quoteFound } from "./problem.ts";
import { checkServer, pairCertificates } from "./server_checks.ts";
import type {
  AccessLogTarget,
  Config,
  ListenSettings,
  LogTarget,
  MainSettings,
  ServerSettings,
} from "./settings.ts";
import { hostName } from "./simple_types.ts";
import { type Reading, Refusal } from "./value_type.ts";
import { type MapNode, parseYaml, type SourceNode } from "./yaml_source.ts";

export type { FileAccess } from "./file_access.ts";

/**
 * Reads and checks a configuration.
 *
 * @param text The configuration file's text.
 * @param file Its name, as problems shall show it; relative file names in it start at its directory.
 * @param files Access to the files that it names, and to the system's host name.
 * @returns The frozen settings, or everything that is wrong, in the order of the file.
 */
export function loadConfig(text: string, file: string, files: FileAccess): Config | ConfigProblem[] {
  const problems = new ProblemList(file);
  const directory = directoryOf(file);
  const reading: Reading = {
    problem: (place, code, message) => problems.add(place, code, message),
    filePath: (name) => joinPath(directory, name),
  };
  const root = parseYaml(text, problems);
  const mail = root === null ? null : findMail(root, problems);
  if (mail === null) return problems.sorted();
  const level = Level.read(mail, "mail", ["servers"], inWays(reading, mail), problems);
  const servers = findServers(mail, problems).map((map) => {
    return new EffectiveServer(Level.read(map, "server", [], inWays(reading, mail, map), problems), level);
  });
  checkAll(servers, files, problems);
  checkAdmin(level, files, problems);
  checkLimitStore(level, files, problems);
  checkListeners(servers.flatMap((server) => server.get("listen") ?? []), adminListen(level), problems);
  const main = buildMain(level);
  const log = main?.log ?? null;
  const serverSettings = servers.map((server) => buildServer(server, log, files, problems));
  if (problems.count > 0 || main === null || serverSettings.includes(null)) return problems.sorted();
  return deepFreeze({ file, main, servers: serverSettings.filter((server) => server !== null) });
}

/** The reading for a map under `mail:`; `compat` of the innermost one that has it says whose ways hold. */
function inWays(reading: Reading, ...maps: readonly MapNode[]): Reading {
  const compat = maps.map((map) => map.entries.get("compat")?.node).findLast((node) => node !== undefined);
  return { ...reading, literalVariables: compat?.kind === "scalar" && compat.text.toLowerCase() === "nginx" };
}

function findMail(root: SourceNode, problems: ProblemList): MapNode | null {
  if (root.kind !== "map") {
    const found = root.kind === "scalar" ? quoteFound(root.text) : "a list";
    problems.add(root, "invalid_value", `expected a map with the key "mail", found ${found}`);
    return null;
  }
  for (const [name, entry] of root.entries) {
    if (name === "mail") continue;
    const hint = nearName(name, ["mail"]) === null
      ? 'everything stands under "mail"'
      : 'did you mean "mail"?';
    problems.add(entry.at, "unknown_key", `unknown key ${JSON.stringify(name)}: ${hint}`);
  }
  const mail = root.entries.get("mail");
  if (mail?.node.kind === "map") return mail.node;
  if (mail === undefined) problems.add(root, "missing", '"mail" is missing: all directives stand under it');
  else problems.add(mail.at, "invalid_value", 'expected a map of directives under "mail"');
  return null;
}

function findServers(mail: MapNode, problems: ProblemList): MapNode[] {
  const servers = mail.entries.get("servers");
  const expected = 'expected a list of servers, each with "listen" and its directives';
  if (servers === undefined) problems.add(mail, "missing", `"servers" is missing: ${expected}`);
  else if (servers.node.kind !== "list" || servers.node.items.length === 0) {
    problems.add(servers.at, "invalid_value", expected);
  } else {
    return servers.node.items.flatMap((item) => {
      if (item.kind === "map") return [item];
      const found = item.kind === "scalar" ? quoteFound(item.text) : "a list";
      problems.add(item, "invalid_value", `expected a map of directives, found ${found}`);
      return [];
    });
  }
  return [];
}

function checkAll(servers: readonly EffectiveServer[], files: FileAccess, problems: ProblemList): void {
  const fileChecks = new FileChecks(files, problems);
  for (const server of servers) {
    if (!server.isGiven("listen")) problems.add(server.at, "missing", 'no "listen" is defined for server');
    checkServer(server, problems);
    fileChecks.checkServer(server);
  }
}

function adminListen(mail: Level): AdminListen | null {
  const given = mail.given.get("admin_listen");
  const address = given?.value as MainSettings["admin_listen"] | undefined;
  return given === undefined || !address ? null : { at: given.at, address };
}

function buildMain(mail: Level): MainSettings | null {
  const settings: Record<string, unknown> = {};
  for (const [name, directive] of Object.entries(processDirectives)) {
    const given = mail.given.get(name);
    settings[name] = given === undefined ? defaultOf<unknown>(name, directive) : given.value;
    if (settings[name] === undefined) return null;
  }
  // A wrong error_log is a problem already; the servers have it too.
  settings["error_log"] = mail.given.get("error_log")?.value ?? [];
  // The table has a row for each other property and of its type.
  return settings as unknown as MainSettings;
}

/** Directives whose values go into other settings. */
const FOLDED: ReadonlySet<string> = new Set<keyof ServerDirectiveValues>([
  "listen",
  "server_name",
  "smtp_guard",
  "access_log",
  "ssl",
  "protocol",
  "ssl_certificate",
  "ssl_certificate_key",
  "ssl_ecdh_curve",
  "ssl_session_cache",
]);

function buildServer(
  server: EffectiveServer,
  log: LogTarget | null,
  files: FileAccess,
  problems: ProblemList,
): ServerSettings | null {
  const server_name = server.get("server_name") ?? systemName(server, files, problems);
  const settings: Record<string, unknown> = {
    listen: buildListeners(server),
    server_name,
    // Converted configurations keep nginx's ways, unless they say otherwise.
    smtp_guard: server.get("smtp_guard") ?? server.get("compat") !== "nginx",
    access_log: server.isGiven("access_log") ? server.get("access_log") : accessLogBeside(log),
    ssl_certificates: pairCertificates(server),
  };
  for (const name of Object.keys(serverDirectives) as (keyof ServerDirectiveValues)[]) {
    if (FOLDED.has(name)) continue;
    settings[name] = server.get(name);
    if (settings[name] === undefined) return null;
  }
  if (settings["access_log"] === undefined) return null;
  // The table has a row for each property and of its type.
  return server_name === null ? null : settings as unknown as ServerSettings;
}

/** Sessions are told of where everything else is, unless that wants to hear of trouble only. */
function accessLogBeside(log: LogTarget | null): readonly AccessLogTarget[] {
  if (log === null || log.to.kind === "off") return [];
  return log.level === "debug" || log.level === "info" ? [{ to: log.to, format: "json" }] : [];
}

function buildListeners(server: EffectiveServer): ListenSettings[] {
  const implicit = server.get("ssl") ?? false;
  return (server.get("listen") ?? []).map(({ settings }) => ({ ...settings, ssl: settings.ssl || implicit }));
}

function systemName(server: EffectiveServer, files: FileAccess, problems: ProblemList): string | null {
  if (server.isGiven("server_name")) return null;
  const name = files.hostname().toLowerCase();
  const reading: Reading = { problem() {}, filePath: (path) => path };
  if (!(hostName.readText(name, reading) instanceof Refusal)) return name;
  const message = `the system's host name is ${
    quoteFound(name)
  }, which is no name for SMTP: set "server_name"`;
  problems.add(server.at, "missing", message);
  return null;
}

/** Freezes a value and all that it holds; arrays of octets cannot be frozen and stay as they are. */
function deepFreeze<T>(value: T): T {
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  for (const part of Object.values(value)) deepFreeze(part);
  return Object.freeze(value);
}
