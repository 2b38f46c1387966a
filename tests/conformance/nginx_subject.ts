/**
 * The original: nginx with its mail module, as Debian packages it.
 *
 * @module
 */
import type { Directives } from "./dialogue.ts";
import {
  AddressTaken,
  listenAddress,
  type ProcessPlan,
  type RunningSubject,
  type Subject,
} from "./subject.ts";

const NGINX = "/usr/sbin/nginx";
const MAIL_MODULE = "/usr/lib/nginx/modules/ngx_mail_module.so";
/** Debian packages that have it. */
export const NGINX_PACKAGES = "nginx libnginx-mod-mail";
/** The `notice` that nginx logs once its sockets are open. */
const STARTED = "event method";

/** Directives whose list is one directive with several arguments; every other list repeats the directive. */
const WORDS = new Set(["smtp_auth", "smtp_capabilities", "ssl_protocols"]);
/** Directives whose single text is several arguments. */
const SPLIT = new Set(["smtp_auth", "ssl_protocols", "resolver", "auth_http_header"]);

/** Version of the installed nginx with its mail module, or null when one of them is missing. */
export async function installedNginx(): Promise<string | null> {
  try {
    await Deno.stat(MAIL_MODULE);
    const { stderr } = await new Deno.Command(NGINX, { args: ["-v"] }).output();
    return /nginx\/([\d.]+)/.exec(new TextDecoder().decode(stderr))?.[1] ?? null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
}

/** nginx as a subject. */
export function nginxSubject(version: string): Subject {
  return {
    name: "nginx",
    ways: "nginx",
    version,
    asNginxSends: (request) => request,
    start,
  };
}

/** The configuration file for a plan. */
export function nginxConf({ mail, servers, directory }: ProcessPlan): string {
  return [
    "daemon off;",
    "master_process off;",
    `pid ${directory}/nginx.pid;`,
    "error_log stderr notice;",
    `load_module ${MAIL_MODULE};`,
    "events { worker_connections 2048; }",
    "mail {",
    `  error_log ${directory}/error.log error;`,
    ...lines(mail, "  "),
    ...servers.flatMap(({ endpoint, ssl, proxyProtocol, directives }) => [
      "  server {",
      `    listen ${listenAddress(endpoint)}${ssl ? " ssl" : ""}${proxyProtocol ? " proxy_protocol" : ""};`,
      "    protocol smtp;",
      ...lines(directives, "    "),
      "  }",
    ]),
    "}",
    "",
  ].join("\n");
}

function lines(directives: Directives, indent: string): string[] {
  return Object.entries(directives).flatMap(([name, value]) => {
    const values = typeof value === "string" ? [value] : value;
    const calls = WORDS.has(name) && typeof value !== "string"
      ? [values]
      : values.map((one) => SPLIT.has(name) ? words(name, one) : [one]);
    return calls.map((args) => `${indent}${name} ${args.map(quote).join(" ")};`);
  });
}

function words(name: string, value: string): string[] {
  if (name !== "auth_http_header") return value.split(" ");
  const space = value.indexOf(" ");
  return [value.slice(0, space), value.slice(space + 1)];
}

function quote(argument: string): string {
  return `"${argument.replace(/[\\"]/g, "\\$&")}"`;
}

async function start(plan: ProcessPlan): Promise<RunningSubject> {
  const { directory } = plan;
  await Deno.writeTextFile(`${directory}/nginx.conf`, nginxConf(plan));
  const child = new Deno.Command(NGINX, {
    args: ["-p", directory, "-c", "nginx.conf", "-e", "stderr"],
    stdin: "null",
    stdout: "null",
    stderr: "piped",
  }).spawn();
  const stderr = child.stderr.pipeThrough(new TextDecoderStream()).getReader();
  let said = "";
  while (!said.includes(STARTED)) {
    const { done, value } = await stderr.read();
    if (done) {
      await child.status;
      const message = `nginx did not start:\n${said}`;
      throw said.includes("Address already in use") ? new AddressTaken(message) : new Error(message);
    }
    said += value;
  }
  return {
    log: async () => said + await Deno.readTextFile(`${directory}/error.log`).catch(() => ""),
    stop: async () => {
      child.kill("SIGTERM");
      await child.status;
      while (!(await stderr.read()).done);
    },
  };
}
