/**
 * nginx and Postern with the same configuration.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import config from "../../deno.json" with { type: "json" };
import { childrenOf } from "./accounting.ts";
import { greeted, unusedPorts } from "./ports.ts";
import type { FloorWay } from "./options.ts";
import type { Processes } from "./processes.ts";

export const PROXY_NAMES = ["nginx", "postern"] as const;
/** Those that are compared, Postern with `smtp_guard off`, and a floor. */
export type ProxyName = typeof PROXY_NAMES[number] | "unguarded" | "floor";

/** A proxy that runs. */
export interface Proxy {
  readonly name: ProxyName;
  /** The processes that serve: nginx's workers without their master. */
  readonly pids: readonly number[];
  /** Port without TLS and login, `smtp_auth none`. */
  readonly plainPort: number;
  /** Port with STARTTLS and AUTH PLAIN. */
  readonly starttlsPort: number;
  end(): Promise<void>;
}

/** What a proxy is started with. */
export interface ProxyOptions {
  readonly processes: Processes;
  /** Folder with `cert.pem` and `key.pem`, for configurations. */
  readonly folder: string;
  readonly authPort: number;
  readonly sinkPort: number;
  readonly workers: number;
  readonly floorBy: FloorWay;
}

export const NGINX = "/usr/sbin/nginx";
export const NGINX_MAIL_MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so";
const ROOT = fileURLToPath(new URL("../../", import.meta.url));

/** Starts a proxy and waits until it serves. */
export function startProxy(name: ProxyName, options: ProxyOptions): Promise<Proxy> {
  switch (name) {
    case "nginx":
      return startNginx(options);
    case "postern":
    case "unguarded":
      return startPostern(name, options);
    case "floor":
      return startFloor(options);
  }
}

async function startNginx({ processes, folder, authPort, sinkPort, workers }: ProxyOptions): Promise<Proxy> {
  const [plainPort, starttlsPort] = unusedPorts(2) as [number, number];
  const file = `${folder}/nginx-${plainPort}.conf`;
  // The level of error_log is nginx's default, `error`. ssl_protocols is the default of nginx 1.23.4 and later:
  // older ones would do less work with TLS 1.2.
  await Deno.writeTextFile(
    file,
    `load_module ${NGINX_MAIL_MODULE};
daemon off;
pid ${folder}/nginx-${plainPort}.pid;
error_log stderr;
worker_processes ${workers};
events { worker_connections 16384; }
mail {
  server_name proxy.test;
  auth_http http://127.0.0.1:${authPort}/${sinkPort};
  xclient off;
  ssl_certificate ${folder}/cert.pem;
  ssl_certificate_key ${folder}/key.pem;
  ssl_protocols TLSv1.2 TLSv1.3;
  server {
    listen 127.0.0.1:${plainPort};
    protocol smtp;
    smtp_auth none;
  }
  server {
    listen 127.0.0.1:${starttlsPort};
    protocol smtp;
    smtp_auth plain;
    starttls on;
  }
}
`,
  );
  const child = processes.spawn(NGINX, ["-p", folder, "-c", file, "-e", "stderr"]);
  for (const port of [plainPort, starttlsPort]) await greeted(port, child, "nginx");
  const pids = childrenOf(child.pid);
  if (pids.length !== workers) throw new Error(`nginx has ${pids.length} workers instead of ${workers}`);
  return { name: "nginx", pids, plainPort, starttlsPort, end: () => processes.end(child) };
}

async function startPostern(name: "postern" | "unguarded", options: ProxyOptions): Promise<Proxy> {
  const { processes, folder, authPort, sinkPort, workers } = options;
  const [plainPort, starttlsPort] = unusedPorts(2) as [number, number];
  const file = `${folder}/postern-${plainPort}.yaml`;
  await Deno.writeTextFile(
    file,
    `mail:
  log: stderr error
  worker_processes: ${workers}
  server_name: proxy.test
  auth_http: http://127.0.0.1:${authPort}/${sinkPort}
  xclient: off
  smtp_guard: ${name === "postern" ? "on" : "off"}
  ssl_certificate: ${folder}/cert.pem
  ssl_certificate_key: ${folder}/key.pem
  servers:
    - listen: 127.0.0.1:${plainPort}
      smtp_auth: [none]
    - listen: 127.0.0.1:${starttlsPort}
      smtp_auth: [plain]
      starttls: on
`,
  );
  const args = ["run", ...await posternFlags(), "mod.ts", "run", "--config", file];
  const child = processes.spawn(Deno.execPath(), args, { cwd: ROOT });
  for (const port of [plainPort, starttlsPort]) await greeted(port, child, "Postern");
  return { name, pids: [child.pid], plainPort, starttlsPort, end: () => processes.end(child) };
}

const FLOORS: Readonly<Record<FloorWay, string>> = {
  deno: "floor.ts",
  session: "floor_session.ts",
  handles: "floor_handles.ts",
  libc: "floor_libc.ts",
  "libc-thread": "floor_libc.ts",
};

/** With Postern's flags for the runtime, and one worker. */
async function startFloor({ processes, folder, authPort, sinkPort, floorBy }: ProxyOptions): Promise<Proxy> {
  const [plainPort, starttlsPort] = unusedPorts(2) as [number, number];
  const ports = [plainPort, starttlsPort, authPort, sinkPort].map(String);
  const allowed = floorBy.startsWith("libc") ? ["--allow-ffi"] : [];
  const args = [
    "run",
    ...await posternFlags(),
    ...allowed,
    `scripts/bench/${FLOORS[floorBy]}`,
    ...ports,
    folder,
  ];
  const child = processes.spawn(Deno.execPath(), args, { cwd: ROOT });
  const served = servesTls(floorBy) ? [plainPort, starttlsPort] : [plainPort];
  for (const port of served) await greeted(port, child, "the floor");
  return { name: "floor", pids: [child.pid], plainPort, starttlsPort, end: () => processes.end(child) };
}

/** Whether a floor serves more than plain clients. */
export function servesTls(floorBy: FloorWay): boolean {
  return floorBy === "deno" || floorBy === "session";
}

let flags: Promise<readonly string[]> | undefined;

/** The flags of `deno task start`, with the import map that it would choose. */
function posternFlags(): Promise<readonly string[]> {
  return flags ??= readPosternFlags();
}

async function readPosternFlags(): Promise<readonly string[]> {
  const words = config.tasks.start.command.replace(/\$\([^)]*\)/, "").split(/\s+/);
  const choice = await new Deno.Command(Deno.execPath(), {
    args: ["task", "--quiet", "imports"],
    cwd: ROOT,
    stderr: "null",
  }).output();
  if (!choice.success) throw new Error("deno task imports failed");
  const map = new TextDecoder().decode(choice.stdout).trim();
  return [
    "--quiet",
    ...words.filter((word) => word.startsWith("--")),
    ...(map === "" ? [] : map.split(/\s+/)),
  ];
}
