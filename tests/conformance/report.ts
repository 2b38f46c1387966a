/**
 * Prints how many dialogues each subject passes, for each section of nginx's behaviour; exits with 1 when one fails.
 *
 * @module
 */
import { readDialogueFiles, readDifferences } from "./dialogue_reader.ts";
import { installedNginx, NGINX_PACKAGES, nginxSubject } from "./nginx_subject.ts";
import { posternSubject } from "./postern_subject.ts";
import { runFile } from "./runner.ts";
import type { Outcome } from "./scene.ts";
import type { Subject } from "./subject.ts";

const TITLES: Readonly<Record<string, string>> = {
  "§1": "Directives",
  "§2": "Client side",
  "§3": "Callout",
  "§4": "Mail server",
  "§5": "TLS",
};

if (import.meta.main) Deno.exit(await report(Deno.args));

async function report(args: readonly string[]): Promise<number> {
  const version = await installedNginx();
  const subjects: Subject[] = [
    ...(version === null ? [] : [nginxSubject(version)]),
    posternSubject("postern"),
    posternSubject("compat"),
  ].filter(({ name }) => args.length === 0 || args.some((arg) => name.toLowerCase() === arg.toLowerCase()));
  if (version === null) console.log(`nginx is not installed: apt-get install ${NGINX_PACKAGES}`);
  const outcomes = new Map<Subject, Outcome[]>();
  for (const subject of subjects) outcomes.set(subject, await runAll(subject));
  printTable(outcomes);
  for (const [subject, all] of outcomes) printRest(subject, all);
  return [...outcomes.values()].flat().some(({ kind }) => kind === "failed") ? 1 : 0;
}

async function runAll(subject: Subject): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  for (const file of readDialogueFiles()) {
    try {
      outcomes.push(...await runFile(file, subject));
    } catch (error) {
      const message = `${subject.name} did not run ${file.file}: ${
        error instanceof Error ? error.message : error
      }`;
      outcomes.push(...file.dialogues.map((dialogue) => ({ kind: "failed", dialogue, message }) as const));
    }
  }
  return outcomes;
}

function printTable(outcomes: ReadonlyMap<Subject, readonly Outcome[]>): void {
  const dialogues = readDialogueFiles().flatMap((file) => file.dialogues);
  const sections = [...new Set(dialogues.map(({ spec }) => spec))].sort(bySection);
  const subjects = [...outcomes.keys()];
  const row = (title: string, chosen: (spec: string) => boolean) => [
    title,
    String(dialogues.filter(({ spec }) => chosen(spec)).length),
    ...subjects.map((subject) =>
      cell(outcomes.get(subject)!.filter(({ dialogue }) => chosen(dialogue.spec)))
    ),
    String(dialogues.filter(({ spec, difference }) => chosen(spec) && difference !== null).length),
  ];
  const header = [
    "section",
    "dialogues",
    ...subjects.map(({ name, version }) => version === null ? name : `${name} ${version}`),
    "differ",
  ];
  const rows = sections.flatMap((section, index) => {
    const chapter = section.split(".")[0]!;
    const first = sections.findIndex((other) => other.startsWith(`${chapter}.`)) === index;
    const title = row(`${chapter} ${TITLES[chapter] ?? ""}`, (spec) => spec.startsWith(`${chapter}.`));
    return [...(first ? [title] : []), row(`  ${section}`, (spec) => spec === section)];
  });
  printColumns([header, ...rows, row("all", () => true)]);
}

function cell(outcomes: readonly Outcome[]): string {
  const passed = outcomes.filter(({ kind }) => kind === "passed").length;
  const skipped = outcomes.filter(({ kind }) => kind === "skipped").length;
  return `${passed}/${outcomes.length - skipped}${skipped > 0 ? ` (${skipped} skipped)` : ""}`;
}

function printColumns(rows: readonly (readonly string[])[]): void {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((cells) => cells[column]!.length)));
  for (const cells of rows) {
    console.log(cells.map((text, column) => text.padEnd(widths[column]!)).join("  ").trimEnd());
  }
}

function printRest(subject: Subject, outcomes: readonly Outcome[]): void {
  const skipped = outcomes.filter((outcome) => outcome.kind === "skipped");
  if (skipped.length > 0) console.log(`\nskipped on ${subject.name}:`);
  for (const { dialogue, reason } of skipped) console.log(`  ${dialogue.spec} ${dialogue.name}: ${reason}`);
  const used = new Set(
    outcomes.flatMap((outcome) =>
      outcome.kind === "passed" && outcome.byDifference ? [outcome.dialogue.difference] : []
    ),
  );
  if (used.size > 0) console.log(`\ndifferences that ${subject.name} showed:`);
  for (const { id, what } of readDifferences()) if (used.has(id)) console.log(`  ${id}: ${what}`);
  const failed = outcomes.filter((outcome) => outcome.kind === "failed");
  if (failed.length > 0) console.log(`\nfailed on ${subject.name}:`);
  for (const message of new Set(failed.map(({ message }) => message))) console.log(`\n${message}`);
}

function bySection(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.slice(1).split(".").map(Number)) as [number[], number[]];
  for (let index = 0; index < Math.max(x.length, y.length); index++) {
    const difference = (x[index] ?? 0) - (y[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
