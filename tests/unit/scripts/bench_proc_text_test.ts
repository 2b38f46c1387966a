import assert from "node:assert/strict";
import { parseMachineTicks, parseProcessMemory, parseProcessStat } from "../../../scripts/bench/proc_text.ts";

const REST = "S 100 812 812 0 -1 4194368 1234 0 5 0 321 123 7 8 20 0 6 0 55000 1073741824 25000";

for (const name of ["nginx", "deno", "a b", "a) S 1 (b", "((", "))"]) {
  Deno.test(`parseProcessStat() reads parent and times of a process called ${name}`, () => {
    assert.deepEqual(parseProcessStat(`812 (${name}) ${REST}\n`), {
      parent: 100,
      userTicks: 321,
      systemTicks: 123,
    });
  });
}

for (const text of ["", "812", "812 (nginx) S 1 2", "no numbers ) S a b c d e f g h i j k l m"]) {
  Deno.test(`parseProcessStat() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseProcessStat(text), SyntaxError);
  });
}

const STATUS = "Name:\tnginx\nVmPeak:\t   99999 kB\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";

Deno.test("parseProcessMemory() reads resident memory and its peak in octets", () => {
  assert.deepEqual(parseProcessMemory(STATUS), { resident: 1024 * 1024, peakResident: 2048 * 1024 });
});

Deno.test("parseProcessMemory() refuses the status of a process that has ended", () => {
  assert.throws(() => parseProcessMemory("Name:\tnginx\nState:\tZ (zombie)\nThreads:\t1\n"), SyntaxError);
});

Deno.test("parseMachineTicks() counts waiting for disks as idle and guests once", () => {
  const text = "cpu  100 10 50 800 20 5 6 7 40 3\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
  assert.deepEqual(parseMachineTicks(text), { total: 998, idle: 820 });
});

Deno.test("parseMachineTicks() refuses a text without the line of all cores", () => {
  assert.throws(() => parseMachineTicks("cpu0 1 2 3 4 5 6 7 8 9 10\n"), SyntaxError);
});
