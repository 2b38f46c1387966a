/**
 * Runs the dialogues of a file against a subject: one process, one server for each dialogue, many at the same time.
 *
 * @module
 */
import { type TestCertificates, testCertificates } from "../support/certificates.ts";
import { withTempDir, writeFiles } from "../support/temp_dir.ts";
import type { Dialogue, DialogueFile } from "./dialogue.ts";
import { type Outcome, Scene } from "./scene.ts";
import { AddressTaken, type Endpoint, type RunningSubject, type Subject } from "./subject.ts";

/** Dialogues at a time: enough to overlap their waits, few enough for a small machine. */
const AT_A_TIME = 16;
const START_ATTEMPTS = 5;

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
