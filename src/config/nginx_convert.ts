/**
 * nginx's `mail {}` as Postern's YAML.
 *
 * The output means the same: what nginx does without being told to, and Postern does not, is written out.
 *
 * @module
 */
import { directives } from "./definitions.ts";
import { directoryOf, type NginxFiles, NginxSource } from "./nginx_include.ts";
import { failAt, type LeftOut, LevelBuilder, type NginxPlaces } from "./nginx_level.ts";
import { NginxConfigError } from "./nginx_lexer.ts";
import { convertListen, isAnyIpv4, type NginxListen, protocolByPort, readListen } from "./nginx_listen.ts";
import { type MainContext, readMainContext } from "./nginx_main.ts";
import { reasonForValue } from "./nginx_refusal.ts";
import type { NginxBlock, NginxDirective } from "./nginx_parser.ts";
import { writeComment, writeMap, writeMaps, type YamlMap } from "./nginx_yaml.ts";

export type { LeftOut } from "./nginx_level.ts";

/** A converted configuration. */
export interface NginxConversion {
  readonly yaml: string;
  /** In the order of the source. */
  readonly left_out: readonly LeftOut[];
  readonly main: MainContext;
}

/** What {@linkcode convertNginx} starts from. */
export interface NginxInput {
  /** Absolute name of the main file. */
  readonly file: string;
  readonly files: NginxFiles;
  /** Absolute name of nginx's prefix (`nginx -p`), for `pid` and `error_log`. */
  readonly prefix: string;
}

/** What Postern has under `mail:` and nginx in its main context. */
const MAIN_DIRECTIVES = ["worker_processes", "worker_shutdown_timeout"];

/** A `server {}` that speaks SMTP. */
interface SmtpServer {
  readonly directive: NginxDirective;
  readonly block: NginxBlock;
  readonly listens: readonly { readonly directive: NginxDirective; readonly listen: NginxListen }[];
}

/**
 * Reads an nginx configuration and writes Postern's.
 * @throws {NginxConfigError} where nginx would not start, in its words.
 */
export function convertNginx({ file, files, prefix }: NginxInput): NginxConversion {
  const directory = directoryOf(file);
  const source = new NginxSource(files, directory);
  const main = source.main(file);
  const mail = findMail(main, file);
  const block = source.expand(mail.block);
  const converter = new Converter(source, { directory, prefix });
  const [keys, servers] = converter.mail(block, main);
  const { leftOut } = converter;
  return {
    yaml: writeYaml(file, mail.directive, keys, servers, leftOut),
    left_out: leftOut,
    main: readMainContext(main.directives, prefix),
  };
}

function findMail(main: NginxBlock, file: string): { directive: NginxDirective; block: NginxBlock } {
  const [mail, second] = main.directives.filter((directive) => directive.name === "mail");
  if (mail === undefined) throw new NginxConfigError(`no "mail" block in ${file}`, file, 0);
  if (second !== undefined) failAt(second, `"mail" directive is duplicate`);
  return { directive: mail, block: blockOf(mail) };
}

function blockOf(directive: NginxDirective): NginxBlock {
  const { name, args, block } = directive;
  if (args.length > 0) failAt(directive, `invalid number of arguments in "${name}" directive`);
  return block ?? failAt(directive, `directive "${name}" has no opening "{"`);
}

class Converter {
  readonly leftOut: LeftOut[] = [];
  readonly #source: NginxSource;
  readonly #places: NginxPlaces;

  constructor(source: NginxSource, places: NginxPlaces) {
    this.#source = source;
    this.#places = places;
  }

  mail(block: NginxBlock, main: NginxBlock): [keys: YamlMap, servers: readonly YamlMap[]] {
    const level = new LevelBuilder(this.#places, this.leftOut);
    const forServers = new LevelBuilder(this.#places, this.leftOut);
    level.set("compat", "nginx", ["Where Postern has a better default than nginx, nginx's holds."]);
    for (const name of MAIN_DIRECTIVES) this.#inheritMain(name, main, level);
    this.#inheritLogs(main, block, level);
    const all: NginxDirective[] = [];
    for (const directive of block.directives) {
      if (directive.name === "server") all.push(directive);
      else if (directive.name === "listen" || directive.name === "protocol") {
        failAt(directive, `"${directive.name}" directive is not allowed here`);
      } else (isForServers(directive.name) ? forServers : level).take(directive);
    }
    if (!level.has("xclient")) {
      level.set("xclient", "nginx", ["nginx sends XCLIENT unless it is told not to."]);
    }
    const servers = all.flatMap((directive) => this.#smtpServer(directive, level));
    const anyIpv4Ports = checkAddresses(servers);
    const maps = servers.flatMap((server) => this.#server(server, [level, forServers], anyIpv4Ports));
    // Servers were gone through twice; the reader goes through the files once.
    const files = [...new Set(this.leftOut.map(({ file }) => file))];
    this.leftOut.sort((a, b) => files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line);
    return [{ comments: [], entries: level.entries, closing: block.comments, afterBlank: false }, maps];
  }

  /** A directive of the main context; without it, Postern's own default is better than nginx's. */
  #inheritMain(name: string, main: NginxBlock, level: LevelBuilder): void {
    const directive = main.directives.find((each) => each.name === name);
    const value = directive?.args[0];
    if (directive === undefined || value === undefined) return;
    const refusal = reasonForValue(directive.name, value, false);
    if (refusal !== null) level.leaveOut(directive, refusal);
    else level.set(directive.name, value, ["From the main context."]);
  }

  /** `error_log` of the main context holds for `mail {}` unless that has its own. */
  #inheritLogs(main: NginxBlock, block: NginxBlock, level: LevelBuilder): void {
    const isLog = ({ name }: NginxDirective) => name === "error_log";
    const hidden = block.directives.some(isLog);
    // Those that are hidden are checked all the same, as nginx does.
    const taker = hidden ? new LevelBuilder(this.#places, []) : level;
    for (const each of main.directives.filter(isLog)) {
      taker.take({ ...each, comments: [" From the main context."], trailing: null, afterBlank: false });
    }
  }

  /** A server if it speaks SMTP, nothing otherwise. */
  #smtpServer(directive: NginxDirective, mail: LevelBuilder): SmtpServer[] {
    const block = this.#source.expand(blockOf(directive));
    let protocol: string | null = null;
    const listens: { directive: NginxDirective; listen: NginxListen }[] = [];
    for (const each of block.directives) {
      const { name, args } = each;
      if (name !== "listen" && name !== "protocol") continue;
      if (args.length === 0 || (name === "protocol" && args.length > 1)) {
        failAt(each, `invalid number of arguments in "${name}" directive`);
      }
      if (each.block !== null) failAt(each, `directive "${name}" is not terminated by ";"`);
      if (name === "protocol") protocol = knownProtocol(each);
      else listens.push({ directive: each, listen: readListen(args, (problem) => failAt(each, problem)) });
    }
    if (listens.length === 0) failAt(directive, `no "listen" is defined for server`);
    protocol ??= protocolByPort(listens.map(({ listen }) => listen));
    if (protocol === null) failAt(directive, `unknown mail protocol for server`);
    if (protocol === "smtp") return [{ directive, block, listens }];
    mail.leaveOut(directive, `it speaks ${protocol.toUpperCase()}, and Postern SMTP alone`);
    return [];
  }

  #server(
    server: SmtpServer,
    [mail, forServers]: readonly [LevelBuilder, LevelBuilder],
    anyIpv4Ports: ReadonlySet<number>,
  ): YamlMap[] {
    const { directive, block } = server;
    const level = new LevelBuilder(this.#places, this.leftOut);
    for (const each of block.directives) {
      if (each.name === "listen") {
        const { listen } = server.listens.find((known) => known.directive === each)!;
        const { text, omitted } = convertListen(listen, anyIpv4Ports, (problem) => failAt(each, problem));
        for (const reason of omitted) level.leaveOut(each, reason);
        level.add(each, "listen", text === null ? [] : [text], false);
      } else if (each.name === "protocol") level.add(each, "protocol", ["smtp"], false);
      else if (each.name === "server" || each.name === "mail") {
        failAt(each, `"${each.name}" directive is not allowed here`);
      } else level.take(each);
    }
    if (!level.has("auth_http") && !mail.has("auth_http")) {
      failAt(directive, `no "auth_http" is defined for server`);
    }
    if (!level.has("listen")) {
      level.leaveOut(directive, "none of its listeners could be taken over");
      return [];
    }
    for (const { key, items } of forServers.entries) {
      if (!level.has(key)) level.set(key, items[0]?.text ?? "", ["From mail {}."]);
    }
    this.#leaveOutWhatConflicts(server, level, mail);
    const { comments, trailing, afterBlank } = directive;
    const before = trailing === null ? comments : [...comments, trailing];
    return [{ comments: before, entries: level.entries, closing: block.comments, afterBlank }];
  }

  /** What nginx takes value by value and Postern refuses together. */
  #leaveOutWhatConflicts(server: SmtpServer, level: LevelBuilder, mail: LevelBuilder): void {
    const values = (key: string) => level.values(key) ?? mail.values(key) ?? [];
    const methods = values("smtp_auth");
    if (methods.includes("external") && (values("ssl_verify_client")[0] ?? "off") === "off") {
      const reason = "external: Postern takes it with ssl_verify_client only, and it is off in this server";
      level.leaveOut({ ...server.directive, name: "smtp_auth" }, reason);
      const others = methods.filter((method) => method !== "external");
      // nginx takes PLAIN and LOGIN in any case (spec §1.5).
      level.replace("smtp_auth", others.length > 0 ? others : ["login", "plain"]);
    }
    const behindProxy = server.listens.find(({ listen }) => listen.parameters.includes("proxy_protocol"));
    if (behindProxy !== undefined && values("set_real_ip_from").length === 0) {
      const reason =
        "proxy_protocol: Postern takes PROXY headers only of peers that it is told to trust, and closes all " +
        'other connections: add "set_real_ip_from ADDRESS;" with the address or network of your balancer, here ' +
        "or in mail {}; Client-IP is then the client's address, not the balancer's";
      level.leaveOut(behindProxy.directive, reason);
    }
  }
}

/** Whether nginx has a directive in `mail {}` that Postern has in servers alone. */
function isForServers(name: string): boolean {
  return directives.get(name)?.context === "server";
}

function knownProtocol(directive: NginxDirective): string {
  const [protocol = ""] = directive.args;
  if (["smtp", "imap", "pop3"].includes(protocol)) return protocol;
  failAt(directive, `unknown protocol "${protocol}"`);
}

/** Refuses the same address twice, and gives the ports on which all IPv4 connections are taken. */
function checkAddresses(servers: readonly SmtpServer[]): ReadonlySet<number> {
  const seen = new Set<string>();
  const anyIpv4Ports = new Set<number>();
  for (const { directive, listen } of servers.flatMap((server) => server.listens)) {
    const { host, port } = listen;
    const address = port === null ? listen.address : `${isAnyIpv4(listen) ? "0.0.0.0" : host}:${port}`;
    if (port !== 0 && seen.has(address)) failAt(directive, `duplicate "${address}" address and port pair`);
    seen.add(address);
    if (port !== null && isAnyIpv4(listen)) anyIpv4Ports.add(port);
  }
  return anyIpv4Ports;
}

function writeYaml(
  file: string,
  mail: NginxDirective,
  keys: YamlMap,
  servers: readonly YamlMap[],
  leftOut: readonly LeftOut[],
): string {
  const before = mail.trailing === null ? mail.comments : [...mail.comments, mail.trailing];
  const lines = [
    writeComment(` Converted from ${file}`, ""),
    "",
    ...before.map((text) => writeComment(text, "")),
    "mail:",
    ...writeMap({ ...keys, closing: [] }, "  "),
    servers.length === 0 ? "  servers: []" : "  servers:",
    ...writeMaps(servers, "    "),
    ...keys.closing.map((text) => writeComment(text, "  ")),
  ];
  if (leftOut.length > 0) lines.push("", "# Left out:");
  for (const { file, line, directive, reason } of leftOut) {
    lines.push(writeComment(`   ${file}:${line}: ${directive}: ${reason}`, ""));
  }
  return `${lines.join("\n")}\n`;
}
