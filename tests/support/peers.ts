/**
 * Programs that others wrote, as the other side of a test.
 *
 * @module
 */

/** Debian package of each program. */
const PACKAGES = {
  swaks: "swaks",
  /** What swaks needs for TLS: a module of Perl, looked for by loading it. */
  "Net::SSLeay": "libnet-ssleay-perl",
  openssl: "openssl",
  "smtp-source": "postfix",
  "smtp-sink": "postfix",
  nginx: "nginx",
  "redis-server": "redis-server",
  prometheus: "prometheus",
  promtool: "prometheus",
} as const;

/** A program that {@linkcode peerTest} can look for. */
export type Peer = keyof typeof PACKAGES;

// Postfix's programs are not for users: their directory is on root's PATH only.
const DIRECTORIES = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/usr/local/sbin"];

/** Path of a program (or of what loads a module), or null when it is not installed. */
export function findPeer(peer: Peer): string | null {
  if (peer !== "Net::SSLeay") return findProgram(peer);
  const perl = findProgram("perl");
  if (perl === null) return null;
  const { success } = new Deno.Command(perl, { args: [`-M${peer}`, "-e", "1"], stderr: "null" }).outputSync();
  return success ? perl : null;
}

function findProgram(peer: string): string | null {
  for (const directory of DIRECTORIES) {
    try {
      if (Deno.statSync(`${directory}/${peer}`).isFile) return `${directory}/${peer}`;
    } catch {
      // Not here: look in the next directory.
    }
  }
  return null;
}

/** Path of a program that the test was registered with. */
export function peerPath(peer: Peer): string {
  const path = findPeer(peer);
  if (path === null) throw new Error(`${peer} is not installed: apt-get install ${PACKAGES[peer]}`);
  return path;
}

/**
 * Registers a test that needs `peers`. Where one is missing the test is ignored and its name says how to install
 * it; with `POSTERN_REQUIRE_PEERS=1` it fails instead.
 */
export function peerTest(
  name: string,
  peers: readonly Peer[],
  fn: () => Promise<void>,
  options: Pick<Deno.TestDefinition, "sanitizeOps" | "sanitizeResources"> = {},
): void {
  const missing = new Set(peers.filter((peer) => findPeer(peer) === null).map((peer) => PACKAGES[peer]));
  const install = `apt-get install ${[...missing].join(" ")}`;
  if (missing.size === 0) {
    Deno.test({ name, fn, ...options });
  } else if (Deno.env.get("POSTERN_REQUIRE_PEERS") === "1") {
    Deno.test({ name, fn: () => Promise.reject(new Error(install)) });
  } else {
    Deno.test({ name: `${name} (${install})`, ignore: true, fn });
  }
}

/** What a program wrote, and its exit code. */
export interface PeerOutput {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a peer to its end, at most 60 s; `input` is its standard input. */
export function runPeer(peer: Peer, args: readonly string[], input = ""): Promise<PeerOutput> {
  return runToEnd(peerPath(peer), args, { input });
}

/** Runs any program to its end, at most 60 s. */
export async function runToEnd(
  program: string,
  args: readonly string[],
  options: { readonly input: string; readonly cwd?: string },
): Promise<PeerOutput> {
  const child = new Deno.Command(program, {
    args: [...args],
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    env: { NO_COLOR: "1" },
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).spawn();
  const writer = child.stdin.getWriter();
  const written = writer.write(new TextEncoder().encode(options.input)).then(() => writer.close());
  // A program may end without reading its input: its exit code tells what that means.
  const [output] = await Promise.all([child.output(), written.catch(() => {})]);
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}
