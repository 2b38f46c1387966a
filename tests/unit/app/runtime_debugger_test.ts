import assert from "node:assert/strict";
import { RuntimeDebugger } from "../../../src/app/runtime_debugger.ts";

const URL = "ws://127.0.0.1:9229/1";

/** A debugger that opens after so many looks. */
class FakeInspector {
  open: boolean;
  closed = 0;
  #looksLeft: number;

  constructor({ open = false, opensAfter = Infinity }) {
    this.open = open;
    this.#looksLeft = opensAfter;
  }

  url(): string | undefined {
    if (this.#looksLeft-- <= 0) this.open = true;
    return this.open ? URL : undefined;
  }

  close(): void {
    this.open = false;
    this.closed++;
    this.#looksLeft = Infinity;
  }
}

const pause = () => Promise.resolve();

Deno.test("a debugger that a signal opens is shut, each time", async () => {
  const inspector = new FakeInspector({ opensAfter: 4 });
  const runtime = new RuntimeDebugger(inspector, pause);
  assert.equal(await runtime.shut(), "shut");
  assert.deepEqual([inspector.open, inspector.closed], [false, 1]);
  inspector.open = true;
  assert.equal(await runtime.shut(), "shut");
  assert.deepEqual([inspector.open, inspector.closed], [false, 2]);
});

Deno.test("a debugger that was asked for with --inspect stays open", async () => {
  const inspector = new FakeInspector({ open: true });
  assert.equal(await new RuntimeDebugger(inspector, pause).shut(), "asked for");
  assert.equal(inspector.closed, 0);
});

Deno.test("a debugger that never opens is not waited for without end", async () => {
  const inspector = new FakeInspector({});
  assert.equal(await new RuntimeDebugger(inspector, pause).shut(), "never open");
  assert.equal(inspector.closed, 0);
});

Deno.test("a process that may not see to its debugger says so", async () => {
  const forbidden = () => {
    throw new Deno.errors.NotCapable("Requires sys access");
  };
  const runtime = new RuntimeDebugger({ url: forbidden, close: forbidden }, pause);
  assert.equal(await runtime.shut(), "forbidden");
});
