import assert from "node:assert/strict";
import {
  chooseImports,
  type Registry,
  registryAnswers,
  type Surroundings,
} from "../../../scripts/choose_imports.ts";
import { ReservedPort } from "../../support/reserved_port.ts";

interface Given {
  readonly forced?: string;
  readonly remembered?: Registry;
  readonly cached?: boolean;
  readonly answers?: boolean;
}

function world(given: Given): { world: Surroundings; asked: string[] } {
  const asked: string[] = [];
  const note = <T>(what: string, answer: T) => (asked.push(what), Promise.resolve(answer));
  return {
    asked,
    world: {
      forced: given.forced,
      remembered: () => note("remembered", given.remembered ?? null),
      remember: (choice) => note(`remember ${choice}`, undefined),
      cached: () => note("cached", given.cached ?? false),
      answers: () => note("answers", given.answers ?? false),
    },
  };
}

const rows: readonly { name: string; given: Given; registry: Registry; asked: string[] }[] = [
  { name: "what POSTERN_IMPORTS says", given: { forced: "npm", cached: true }, registry: "npm", asked: [] },
  { name: "JSR when forced", given: { forced: "jsr" }, registry: "jsr", asked: [] },
  {
    name: "what is remembered without asking further",
    given: { remembered: "npm", cached: true },
    registry: "npm",
    asked: ["remembered"],
  },
  {
    name: "JSR from the cache without the network",
    given: { cached: true },
    registry: "jsr",
    asked: ["remembered", "cached", "remember jsr"],
  },
  {
    name: "JSR when it answers",
    given: { answers: true },
    registry: "jsr",
    asked: ["remembered", "cached", "answers", "remember jsr"],
  },
  {
    name: "npm when nothing else is there",
    given: {},
    registry: "npm",
    asked: ["remembered", "cached", "answers", "remember npm"],
  },
  {
    name: "by itself when POSTERN_IMPORTS is unknown",
    given: { forced: "pypi", remembered: "jsr" },
    registry: "jsr",
    asked: ["remembered"],
  },
];

for (const { name, given, registry, asked } of rows) {
  Deno.test(`chooseImports() takes ${name}`, async () => {
    const subject = world(given);
    assert.equal((await chooseImports(subject.world)).registry, registry);
    assert.deepEqual(subject.asked, asked);
  });
}

const responses: readonly { name: string; response: () => Response; answers: boolean }[] = [
  { name: "a package's document", response: () => Response.json({ versions: {} }), answers: true },
  { name: "an error", response: () => Response.json({ versions: {} }, { status: 503 }), answers: false },
  { name: "another document", response: () => Response.json({ login: "please" }), answers: false },
  { name: "null", response: () => Response.json(null), answers: false },
  { name: "a captive portal's page", response: () => new Response("<html>"), answers: false },
];

for (const { name, response, answers } of responses) {
  Deno.test(`registryAnswers() is ${answers} for ${name}`, async () => {
    await using server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, response);
    assert.equal(await registryAnswers(`http://127.0.0.1:${server.addr.port}/`, 20_000), answers);
  });
}

Deno.test("registryAnswers() is false when nobody answers in time", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  assert.equal(await registryAnswers(`http://127.0.0.1:${listener.addr.port}/`, 50), false);
});

Deno.test("registryAnswers() is false when nobody listens", async () => {
  using nobody = await ReservedPort.take();
  assert.equal(await registryAnswers(`http://127.0.0.1:${nobody.port}/`, 20_000), false);
});

/** Runs the script itself in `cwd`, without the network. */
async function run(cwd: string, forced: string): Promise<{ out: string; err: string }> {
  const script = new URL("../../../scripts/choose_imports.ts", import.meta.url).pathname;
  const { stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "--quiet", "--no-prompt", "--allow-env=POSTERN_IMPORTS", "--allow-read", script],
    cwd,
    env: { POSTERN_IMPORTS: forced, NO_COLOR: "1" },
  }).output();
  const text = new TextDecoder();
  return { out: text.decode(stdout), err: text.decode(stderr) };
}

const root = new URL("../../../", import.meta.url).pathname;

Deno.test("choose_imports.ts prints the flag for the npm map, relative to where it is called", async () => {
  assert.deepEqual(await run(root, "npm"), {
    out: "--import-map=scripts/npm_imports.json\n",
    err: "imports: @std packages from npm (POSTERN_IMPORTS says so)\n",
  });
  assert.equal((await run(`${root}/tests/unit`, "npm")).out, "--import-map=../../scripts/npm_imports.json\n");
});

Deno.test("choose_imports.ts prints no flag for JSR", async () => {
  const { out, err } = await run(root, "jsr");
  assert.equal(out, "");
  assert.match(err, /^imports: @std packages from JSR \(/);
});
