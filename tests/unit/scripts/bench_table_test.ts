import assert from "node:assert/strict";
import {
  type Case,
  CASES,
  type LoadLetter,
  LOADS,
  quickCase,
  warmUpCase,
} from "../../../scripts/bench/cases.ts";
import { bottleneck, type Run, type Values } from "../../../scripts/bench/measures.ts";
import { parseBenchOptions } from "../../../scripts/bench/options.ts";
import { missingPackages } from "../../../scripts/bench/requirements.ts";
import { alignColumns, caseTable, isReached, scalingText, summarize } from "../../../scripts/bench/table.ts";

function run(proxy: Run["proxy"], pair: number, values: Values): Run {
  return { case: "a", proxy, pair, served: 1000 * pair, messages: 1, octets: 1024, values };
}

const RUNS = [
  run("nginx", 1, { cpu_ms_per_session: 0.2, wall_seconds: 1, proxy_share: 0.5 }),
  run("postern", 1, { cpu_ms_per_session: 0.3, wall_seconds: 1.2, proxy_share: 0.95 }),
  run("nginx", 2, { cpu_ms_per_session: 0.4, wall_seconds: 2, proxy_share: 0.5 }),
  run("postern", 2, { cpu_ms_per_session: 0.2, wall_seconds: 2.2, proxy_share: 0.95 }),
];
const CASE_A = CASES[0]!;

Deno.test("summarize() gives medians and the ratios of the pairs", () => {
  const { nginx, postern, ratios } = summarize(RUNS);
  assert.deepEqual([nginx.wall_seconds, postern.wall_seconds], [1.5, 1.7000000000000002]);
  const ratio = ratios.cpu_ms_per_session!;
  assert.deepEqual([ratio.least, ratio.greatest], [0.5, 0.3 / 0.2]);
  assert.equal(ratio.median, (0.5 + 0.3 / 0.2) / 2);
  assert.equal(postern.latency_p99_ms, undefined);
});

Deno.test("caseTable() shows numbers, targets and what was in the way", () => {
  const table = caseTable(CASE_A, summarize(RUNS), 2);
  assert.match(
    table,
    /^CPU per session, ms +0\.300 +0\.250 +1\.00 +\(0\.50 - 1\.50\) +ratio <= 1: reached$/m,
  );
  assert.match(table, /^wall time, s +1\.50 +1\.70 /m);
  assert.match(table, /^cores used: proxy +0\.50 +0\.95$/m);
  assert.match(table, /^limited by +waiting +proxy$/m);
});

Deno.test("caseTable() shows the floor beside them where it was measured", () => {
  const floor = [1, 2].map((pair) => run("floor", pair, { cpu_ms_per_session: 0.4, proxy_share: 0.6 }));
  const table = caseTable(CASE_A, summarize([...RUNS, ...floor]), 2);
  assert.match(table, /^ +nginx +Postern +ratio +\(least - greatest\) +floor +floor \/ nginx +target$/m);
  assert.match(table, /^CPU per session, ms .*\(0\.50 - 1\.50\) +0\.400 +1\.50 +ratio <= 1: reached$/m);
  assert.match(table, /^wall time, s +1\.50 +1\.70 /m);
  assert.match(table, /^cores used: proxy +0\.50 +0\.95 +0\.60$/m);
});

Deno.test("caseTable() says how many sessions the proxies had served before the first pair", () => {
  const [first, ...others] = RUNS;
  assert.match(caseTable(CASE_A, summarize(RUNS), 2), /^First pair after 1000 sessions of this kind/m);
  const fresh = summarize([{ ...first!, served: 0 }, ...others]);
  assert.doesNotMatch(caseTable(CASE_A, fresh, 2), /First pair/);
});

Deno.test("caseTable() warns when other programs were busy", () => {
  const disturbed = RUNS.map((quiet) => ({ ...quiet, values: { ...quiet.values, others_share: 0.5 } }));
  assert.match(caseTable(CASE_A, summarize(disturbed), 2), /^Other programs were busy/m);
  assert.doesNotMatch(caseTable(CASE_A, summarize(RUNS), 2), /Other programs/);
});

Deno.test("isReached() compares the ratio or Postern's own number with the target", () => {
  const summary = summarize(RUNS);
  const at = (of: "ratio" | "postern", atMost: number) =>
    isReached({ measure: "cpu_ms_per_session", of, atMost }, summary);
  assert.deepEqual([at("ratio", 1), at("ratio", 0.99), at("postern", 0.25), at("postern", 0.2)], [
    true,
    false,
    true,
    false,
  ]);
  assert.equal(isReached({ measure: "latency_p99_ms", of: "ratio", atMost: 1 }, summary), null);
});

const LIMITS: readonly { readonly values: Values; readonly workers: number; readonly limit: string }[] = [
  { values: { proxy_share: 0.95, machine_share: 1.9 }, workers: 1, limit: "proxy" },
  { values: { proxy_share: 0.95, machine_share: 1.9 }, workers: 2, limit: "all cores" },
  { values: { proxy_share: 1.85, machine_share: 1.9 }, workers: 2, limit: "proxy" },
  { values: { proxy_share: 0.5, generator_share: 0.97, machine_share: 1.6 }, workers: 1, limit: "clients" },
  { values: { sink_share: 0.91, machine_share: 1 }, workers: 1, limit: "mail server" },
  { values: { auth_share: 0.91, machine_share: 1 }, workers: 1, limit: "auth service" },
  { values: { proxy_share: 0.6, generator_share: 0.7, machine_share: 1.8 }, workers: 1, limit: "all cores" },
  { values: { proxy_share: 0.3, machine_share: 0.6 }, workers: 1, limit: "waiting" },
];

for (const { values, workers, limit } of LIMITS) {
  Deno.test(`bottleneck() says ${limit} for ${JSON.stringify(values)} with ${workers} workers`, () => {
    assert.equal(bottleneck(values, workers, 2), limit);
  });
}

Deno.test("scalingText() says how much more two workers did and how much was possible", () => {
  const runs = (perSecond: number) =>
    summarize(
      ["nginx", "postern"].map((proxy) =>
        run(proxy as Run["proxy"], 1, {
          sessions_per_second: perSecond,
          cpu_ms_per_session: 0.2,
          proxy_share: 1,
          generator_share: 0.25,
        })
      ),
    );
  const text = scalingText(runs(1000), runs(1500), 2);
  assert.match(text, /^Postern +1\.50 times .* 1\.00 times its CPU per session +at most 1\.60 on 2 cores/m);
});

Deno.test("alignColumns() lines up numbers to the right", () => {
  assert.equal(alignColumns([["name", "1", "x"], ["n", "100", ""]]), "name    1  x\nn     100\n");
});

Deno.test("every load has a case, and cases have names of their own", () => {
  assert.deepEqual(new Set(CASES.map(({ load }) => load)), new Set<LoadLetter>(LOADS));
  assert.equal(new Set(CASES.map(({ name }) => name)).size, CASES.length);
});

Deno.test("quickCase() is the same load, smaller", () => {
  for (const load of CASES) {
    const quick = quickCase(load);
    const size = (of: Case) =>
      of.kind === "idle" ? of.connections : of.kind === "latency" ? of.seconds : of.sessions;
    assert.ok(size(quick) > 0 && size(quick) < size(load));
    assert.equal(quick.title, load.title);
  }
});

Deno.test("warmUpCase() is a load of short sessions of the same kind, and none of large messages", () => {
  for (const load of CASES) {
    if (load.kind === "idle") continue;
    const warm = warmUpCase(load, 77);
    const octets = load.kind === "latency" ? [load.octets] : load.octets;
    if (octets[0]! > 1e6) {
      assert.equal(warm, null);
    } else {
      assert.deepEqual([warm?.sessions, warm?.octets], [77, octets]);
      assert.deepEqual([warm?.starttls, warm?.workers], [load.starttls, load.workers]);
    }
  }
});

Deno.test("parseBenchOptions() has defaults for everything", () => {
  assert.deepEqual(parseBenchOptions([], "/tmp"), {
    only: LOADS,
    pairs: 5,
    warm: 20_000,
    quick: false,
    floor: false,
    floorBy: "deno",
    json: "/tmp/postern-bench.json",
  });
  const { pairs, warm } = parseBenchOptions(["--quick"], "/tmp");
  assert.deepEqual([pairs, warm], [2, 0]);
});

Deno.test("parseBenchOptions() reads what is given", () => {
  const args = [
    "--only",
    "a, e",
    "--pairs",
    "7",
    "--warm",
    "500",
    "--quick",
    "--floor",
    "--floor-by",
    "libc",
    "--json",
    "x.json",
  ];
  assert.deepEqual(parseBenchOptions(args, "/tmp"), {
    only: ["a", "e"],
    pairs: 7,
    warm: 500,
    quick: true,
    floor: true,
    floorBy: "libc",
    json: "x.json",
  });
});

for (
  const args of [
    ["--only", "a,i"],
    ["--only", ""],
    ["--pairs", "0"],
    ["--pairs", "1.5"],
    ["--warm", "-1"],
    ["--warm", ""],
    ["--fast"],
    [
      "--floor-by",
      "rust",
    ],
    ["a"],
  ]
) {
  Deno.test(`parseBenchOptions() refuses ${args.join(" ")}`, () => {
    assert.throws(() => parseBenchOptions(args, "/tmp"));
  });
}

Deno.test("missingPackages() names each package once", () => {
  assert.deepEqual(missingPackages(() => true), []);
  assert.deepEqual(missingPackages((path) => !path.includes("smtp-")), ["postfix"]);
  assert.deepEqual(missingPackages(() => false), ["nginx", "libnginx-mod-mail", "postfix", "util-linux"]);
});
