/**
 * Runs the dialogues of a file against a subject: one process, one server for each dialogue, all at the same time.
 *
 * @module
 */
import { type TestCertificates, testCertificates } from "../support/certificates.ts";
import { withTempDir, writeFiles } from "../support/temp_dir.ts";
import type { ConfigurationRefused, Dialogue, DialogueFile, Directives, Step } from "./dialogue.ts";
import { ScriptedNames } from "./scripted_names.ts";
import { readDifferences } from "./dialogue_reader.ts";
import { expand, type Variables } from "./placeholders.ts";
import { play } from "./play.ts";
import { ScriptedService } from "./scripted_services.ts";
import {
  AddressTaken,
  type Endpoint,
  type RunningSubject,
  type ServerPlan,
  type Subject,
} from "./subject.ts";

/** What holds for every server unless the dialogue says otherwise; an empty value takes the directive away. */
const BASE: Directives = {
  server_name: "mx.test",
  auth_http: "127.0.0.1:${callout_port}/auth",
  xclient: "off",
};
/** Dialogues at a time: enough to overlap their waits, few enough for a small machine. */
const AT_A_TIME = 16;
const START_ATTEMPTS = 5;

/** How one dialogue went. */
export type Outcome =
  | { readonly kind: "passed"; readonly dialogue: Dialogue; readonly byDifference: boolean }
  | { readonly kind: "skipped"; readonly dialogue: Dialogue; readonly reason: string }
  | { readonly kind: "failed"; readonly dialogue: Dialogue; readonly message: string };

/** Runs every dialogue of `file` against `subject`. @throws {Error} when the subject does not start. */
export async function runFile(file: DialogueFile, subject: Subject): Promise<Outcome[]> {
  const skipped: Outcome[] = [];
  const running: Dialogue[] = [];
  for (const dialogue of file.dialogues) {
    const reason = reasonToSkip(dialogue, subject);
    if (reason === null) running.push(dialogue);
    else skipped.push({ kind: "skipped", dialogue, reason });
  }
  if (running.length === 0) return skipped;
  const certificates = await testCertificates();
  return await withTempDir(async (directory) => {
    const files = await writeCertificates(directory, certificates);
    const scenes = await Promise.all(
      running.map((dialogue, index) => Scene.create(dialogue, subject, { directory, index, files })),
    );
    try {
      return [...skipped, ...await perform(file, subject, { scenes, directory, certificates })];
    } finally {
      await Promise.all(scenes.map((scene) => scene.close()));
    }
  });
}

interface Theatre {
  readonly scenes: readonly Scene[];
  readonly directory: string;
  readonly certificates: TestCertificates;
}

async function perform(file: DialogueFile, subject: Subject, theatre: Theatre): Promise<Outcome[]> {
  const { scenes, directory, certificates } = theatre;
  const refused = scenes.filter(({ refusal }) => refusal !== null);
  const played = scenes.filter(({ refusal }) => refusal === null);
  const outcomes: Outcome[] = [];
  for (const scene of refused) outcomes.push(await refusal(file, subject, scene, directory));
  if (played.length === 0) return outcomes;
  const { process, endpoints } = await start(file, subject, played, directory);
  try {
    let next = 0;
    const work = async () => {
      for (let index = next++; index < played.length; index = next++) {
        outcomes.push(await played[index]!.run(endpoints[index]!, certificates));
      }
    };
    await Promise.all(Array.from({ length: AT_A_TIME }, work));
  } finally {
    await process.stop();
  }
  return outcomes;
}

/** Starts the subject with the configuration of one dialogue, which it is to refuse. */
async function refusal(
  file: DialogueFile,
  subject: Subject,
  scene: Scene,
  directory: string,
): Promise<Outcome> {
  const { dialogue } = scene;
  const expected = `expected the configuration to be refused with ${JSON.stringify(scene.refusal)}`;
  try {
    const { process } = await start(file, subject, [scene], directory);
    await process.stop();
    return {
      kind: "failed",
      dialogue,
      message: `${dialogue.spec} ${dialogue.name}: ${expected}, it was taken`,
    };
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (said.includes(scene.refusal!)) return { kind: "passed", dialogue, byDifference: true };
    return {
      kind: "failed",
      dialogue,
      message: `${dialogue.spec} ${dialogue.name}: ${expected}, got ${said}`,
    };
  }
}

async function start(
  file: DialogueFile,
  subject: Subject,
  scenes: readonly Scene[],
  directory: string,
): Promise<{ process: RunningSubject; endpoints: Endpoint[] }> {
  for (let attempt = 1;; attempt++) {
    const endpoints = freeEndpoints(scenes);
    try {
      const servers = scenes.map((scene, index) => scene.serverPlan(endpoints[index]!));
      return { process: await subject.start({ mail: file.mail, servers, directory }), endpoints };
    } catch (error) {
      if (!(error instanceof AddressTaken) || attempt === START_ATTEMPTS) throw error;
    }
  }
}

/** Ports that the kernel gave and took back: nginx cannot tell which port it was given for port 0. */
function freeEndpoints(scenes: readonly Scene[]): Endpoint[] {
  const held: Deno.Listener[] = [];
  const endpoints = scenes.map((scene): Endpoint => {
    const { address } = scene.dialogue.listen;
    if (address === "unix") return { path: scene.socketPath };
    const listener = Deno.listen({ hostname: address, port: 0 });
    held.push(listener);
    return { host: address, port: listener.addr.port };
  });
  for (const listener of held) listener.close();
  return endpoints;
}

/** One dialogue with its services, ready to be played. */
class Scene {
  readonly dialogue: Dialogue;
  readonly socketPath: string;
  readonly #subject: Subject;
  readonly #variables: Variables;
  readonly #services: { callout: ScriptedService; upstream: ScriptedService; names: ScriptedNames };
  readonly #transcript: string[];

  private constructor(
    dialogue: Dialogue,
    subject: Subject,
    parts: {
      socketPath: string;
      variables: Variables;
      services: { callout: ScriptedService; upstream: ScriptedService; names: ScriptedNames };
      transcript: string[];
    },
  ) {
    this.dialogue = dialogue;
    this.socketPath = parts.socketPath;
    this.#subject = subject;
    this.#variables = parts.variables;
    this.#services = parts.services;
    this.#transcript = parts.transcript;
  }

  /** Text with which the subject refuses the configuration; null when it is to take it. */
  get refusal(): string | null {
    const { expected } = expectation(this.dialogue, this.#subject);
    return isRefusal(expected) ? expected.refused : null;
  }

  static async create(
    dialogue: Dialogue,
    subject: Subject,
    { directory, index, files }: {
      directory: string;
      index: number;
      files: Readonly<Record<string, string>>;
    },
  ): Promise<Scene> {
    const transcript: string[] = [];
    const callout = new ScriptedService((line) => transcript.push(`callout  ${line}`));
    const upstream = new ScriptedService((line) => transcript.push(`upstream ${line}`));
    const names = new ScriptedNames(dialogue.names);
    const calloutSocket = `${directory}/callout_${index}.sock`;
    const upstreamSocket = `${directory}/upstream_${index}.sock`;
    const variables: Variables = new Map(Object.entries({
      upstream_socket: upstreamSocket,
      callout_port: String(await callout.listen({ host: "127.0.0.1" })),
      callout_socket: calloutSocket,
      callout6_port: String(await callout.listen({ host: "::1" })),
      upstream_port: String(await upstream.listen({ host: "127.0.0.1" })),
      upstream6_port: String(await upstream.listen({ host: "::1" })),
      names_port: String(names.port),
      ...files,
    }));
    await callout.listen({ path: calloutSocket });
    await upstream.listen({ path: upstreamSocket });
    const services = { callout, upstream, names };
    return new Scene(dialogue, subject, {
      socketPath: `${directory}/listen_${index}.sock`,
      variables,
      services,
      transcript,
    });
  }

  serverPlan(endpoint: Endpoint): ServerPlan {
    const { config, posternConfig, listen } = this.dialogue;
    const own = this.#subject.ways === "postern" ? posternConfig : {};
    const directives: Record<string, string | readonly string[]> = {};
    for (const [name, value] of Object.entries({ ...BASE, ...config, ...own })) {
      if (value === "") continue;
      directives[name] = typeof value === "string"
        ? expand(value, this.#variables)
        : value.map((one) => expand(one, this.#variables));
    }
    return { endpoint, ssl: listen.ssl, proxyProtocol: listen.proxyProtocol, directives };
  }

  async run(endpoint: Endpoint, certificates: TestCertificates): Promise<Outcome> {
    const { dialogue } = this;
    if ("port" in endpoint) this.#variables.set("server_port", String(endpoint.port));
    const { expected, byDifference } = expectation(dialogue, this.#subject);
    try {
      if (isRefusal(expected)) throw new TypeError("a refused configuration has no dialogue");
      await play(dialogue, expected, {
        subject: this.#subject,
        endpoint,
        callout: this.#services.callout,
        upstream: this.#services.upstream,
        variables: this.#variables,
        certificates: clientCertificates(certificates),
        transcript: this.#transcript,
      });
      return { kind: "passed", dialogue, byDifference };
    } catch (error) {
      return { kind: "failed", dialogue, message: error instanceof Error ? error.message : String(error) };
    } finally {
      await this.close();
    }
  }

  async close(): Promise<void> {
    await this.#services.callout.close();
    await this.#services.upstream.close();
    await this.#services.names.close();
  }
}

const KEPT = new Set(readDifferences().flatMap(({ id, kept }) => kept === null ? [] : [id]));

/** Steps that hold for `subject`, or that it refuses the configuration. */
function expectation(
  { difference, expectPostern, expectCompat, steps }: Dialogue,
  { ways }: Subject,
): { expected: readonly Step[] | ConfigurationRefused; byDifference: boolean } {
  if (ways === "compat" && expectCompat !== null) return { expected: expectCompat, byDifference: true };
  const differs = ways === "postern" || (ways === "compat" && difference !== null && KEPT.has(difference));
  if (!differs || expectPostern === null) return { expected: steps, byDifference: false };
  return { expected: expectPostern, byDifference: true };
}

/** Whether a subject is to refuse the configuration of a dialogue. */
function isRefusal(expected: readonly Step[] | ConfigurationRefused): expected is ConfigurationRefused {
  return "refused" in expected;
}

function reasonToSkip({ nginxSince }: Dialogue, { version }: Subject): string | null {
  if (nginxSince === null || version === null || !older(version, nginxSince)) return null;
  return `nginx ${nginxSince} or later behaves so, this is nginx ${version}`;
}

function older(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.split(".").map(Number)) as [number[], number[]];
  for (let index = 0; index < 3; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0);
    if (difference !== 0) return difference < 0;
  }
  return false;
}

function clientCertificates(made: TestCertificates) {
  return {
    authority: made.root.certificate,
    byName: {
      client: made.client,
      expired: made.expiredClient,
      stranger: made.strangerClient,
      revoked: made.revokedClient,
      intermediate: made.clientOfIntermediate,
    },
  };
}

/** Writes the files that directives name and answers them as variables. */
async function writeCertificates(
  directory: string,
  made: TestCertificates,
): Promise<Readonly<Record<string, string>>> {
  return await writeFiles(directory, {
    server_certificate: made.server.certificate,
    server_key: made.server.key,
    authority_certificate: made.root.certificate,
    revocation_list: made.revocationList,
  });
}
