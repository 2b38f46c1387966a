/**
 * The numbers as a reader sees them.
 *
 * @module
 */
import type { Case } from "./cases.ts";
import {
  bottleneck,
  isDisturbed,
  type MeasureName,
  MEASURES,
  type Run,
  type Target,
  type Values,
} from "./measures.ts";
import { median, pairedRatio, type Ratio } from "./statistics.ts";

/** Medians of one proxy. */
export type Medians = Values;

/** What came of a case. */
export interface Summary {
  /** Of nginx, or of what Postern is compared with instead. */
  readonly nginx: Medians;
  readonly postern: Medians;
  /** Postern / the other, of each pair. */
  readonly ratios: Ratios;
  /** The least that any of them had served before its first pair; 0 where each run had a process of its own. */
  readonly uncounted: number;
  /** Null where it was not measured. */
  readonly floor: {
    readonly medians: Medians;
    /** Floor / nginx of each pair. */
    readonly ratios: Ratios;
  } | null;
}

type Ratios = Readonly<Partial<Record<MeasureName, Ratio>>>;

const NAMES = Object.keys(MEASURES) as MeasureName[];

/** Medians and ratios of the runs of one case. */
export function summarize(runs: readonly Run[]): Summary {
  const under = runs.filter(({ proxy }) => proxy === "nginx" || proxy === "unguarded");
  const over = runs.filter(({ proxy }) => proxy === "postern");
  const floor = runs.filter(({ proxy }) => proxy === "floor");
  return {
    nginx: mediansOf(under),
    postern: mediansOf(over),
    ratios: ratiosOf(over, under),
    uncounted: Math.min(...runs.filter(({ pair }) => pair === 1).map(({ served }) => served)),
    floor: floor.length === 0 ? null : { medians: mediansOf(floor), ratios: ratiosOf(floor, under) },
  };
}

function mediansOf(runs: readonly Run[]): Medians {
  const medians: Partial<Record<MeasureName, number>> = {};
  for (const name of NAMES) {
    const values = valuesOf(runs, name);
    if (values.length > 0) medians[name] = median(values);
  }
  return medians;
}

function ratiosOf(over: readonly Run[], under: readonly Run[]): Ratios {
  const ratios: Partial<Record<MeasureName, Ratio>> = {};
  for (const name of NAMES) {
    const [above, below] = [valuesOf(over, name), valuesOf(under, name)];
    if (above.length > 0 && below.length > 0) ratios[name] = pairedRatio(above, below);
  }
  return ratios;
}

function valuesOf(runs: readonly Run[], name: MeasureName): number[] {
  return runs.flatMap(({ values }) => values[name] ?? []);
}

/** Whether a target is reached; null when there is nothing to tell it by. */
export function isReached(target: Target, { postern, ratios }: Summary): boolean | null {
  const value = target.of === "ratio" ? ratios[target.measure]?.median : postern[target.measure];
  return value === undefined ? null : value <= target.atMost;
}

/** The table of one case. */
export function caseTable(load: Case, summary: Summary, cores: number): string {
  const { nginx, postern, ratios, uncounted, floor } = summary;
  const against = load.against === undefined ? "nginx" : "guard off";
  const rows = [["", against, "Postern", "ratio", "(least - greatest)", ...floorHead(floor), "target"]];
  for (const name of NAMES) {
    const [under, over, ratio] = [nginx[name], postern[name], ratios[name]];
    if (under === undefined || over === undefined || ratio === undefined) continue;
    const { label, decimals, compared } = MEASURES[name];
    rows.push([
      label,
      under.toFixed(decimals),
      over.toFixed(decimals),
      compared ? formatRatio(ratio.median) : "",
      compared ? `(${formatRatio(ratio.least)} - ${formatRatio(ratio.greatest)})` : "",
      ...floorCells(floor, name),
      load.targets.filter(({ measure }) => measure === name).map((target) => targetText(target, summary))
        .join(),
    ]);
  }
  if (load.kind !== "idle") {
    const limits = [nginx, postern].map((values) => bottleneck(values, load.workers, cores));
    rows.push(["limited by", ...limits, "", "", ...floorHead(floor).map(() => ""), ""]);
  }
  const disturbed = isDisturbed(nginx) || isDisturbed(postern);
  return alignColumns(rows) +
    (uncounted > 0
      ? `First pair after ${uncounted} sessions of this kind, which are not counted here.\n`
      : "") +
    (disturbed ? "Other programs were busy meanwhile: trust CPU times, not wall times.\n" : "");
}

function floorHead(floor: Summary["floor"]): string[] {
  return floor === null ? [] : ["floor", "floor / nginx"];
}

function floorCells(floor: Summary["floor"], name: MeasureName): string[] {
  if (floor === null) return [];
  const [value, ratio] = [floor.medians[name], floor.ratios[name]];
  const { decimals, compared } = MEASURES[name];
  return [value?.toFixed(decimals) ?? "", compared && ratio !== undefined ? formatRatio(ratio.median) : ""];
}

function formatRatio(value: number): string {
  return Number.isFinite(value) ? value.toFixed(2) : "-";
}

function targetText(target: Target, summary: Summary): string {
  const verdict = isReached(target, summary) ? "reached" : "missed";
  return `${target.of === "ratio" ? "ratio" : "Postern"} <= ${target.atMost}: ${verdict}`;
}

/** Lines up columns: the first and the last to the left, the others to the right. */
export function alignColumns(rows: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => widths[i] = Math.max(widths[i] ?? 0, cell.length));
  }
  return rows.map((row) =>
    row.map((cell, i) =>
      i === 0 || i === row.length - 1 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)
    ).join("  ").trimEnd() + "\n"
  ).join("");
}

/**
 * How two workers compare with one: the throughput of both proxies, whether their workers stand in each other's way,
 * and the most that the machine has room for, as the clients and the mail server run on the same cores.
 */
export function scalingText(one: Summary, two: Summary, cores: number): string {
  const lines = (["nginx", "postern"] as const).map((proxy) => {
    const [before, after] = [one[proxy], two[proxy]];
    const gain = after.sessions_per_second! / before.sessions_per_second!;
    const used = (before.proxy_share ?? 0) + (before.generator_share ?? 0) + (before.sink_share ?? 0) +
      (before.auth_share ?? 0);
    const room = Math.min(2, cores / used);
    return [
      proxy === "nginx" ? "nginx" : "Postern",
      `${gain.toFixed(2)} times the throughput of one worker`,
      `${(after.cpu_ms_per_session! / before.cpu_ms_per_session!).toFixed(2)} times its CPU per session`,
      `at most ${room.toFixed(2)} on ${cores} cores with the clients and the mail server`,
    ];
  });
  return alignColumns(lines);
}
