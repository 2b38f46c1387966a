import assert from "node:assert/strict";
import { forcedMove, type Interruption, type JointPhase, spoken } from "../../../src/session/joint.ts";
import { serverReplies } from "../../../src/session/replies.ts";

/** The full product: a new phase or cause fails to compile until it has its row. */
const EXPECTED: Record<JointPhase, Record<Exclude<Interruption, "dismiss">, string>> = {
  proxy_header: { deadline: "silence, timeout", drain: "silence, shutdown", abort: "silence, shutdown" },
  admitting: { deadline: "goes on", drain: "silence, shutdown", abort: "silence, shutdown" },
  handshake: { deadline: "silence, timeout", drain: "silence, shutdown", abort: "silence, shutdown" },
  resolving: { deadline: "goes on", drain: "421 4.3.2, shutdown", abort: "421 4.3.2, shutdown" },
  greeting_delay: { deadline: "goes on", drain: "421 4.3.2, shutdown", abort: "421 4.3.2, shutdown" },
  command: { deadline: "421 4.4.2, timeout", drain: "421 4.3.2, shutdown", abort: "421 4.3.2, shutdown" },
  asking: { deadline: "goes on", drain: "goes on", abort: "421 4.3.2, shutdown" },
  waiting: { deadline: "goes on", drain: "goes on", abort: "421 4.3.2, shutdown" },
  connecting: { deadline: "goes on", drain: "goes on", abort: "421 4.3.2, shutdown" },
  relaying: { deadline: "silence, relay_timeout", drain: "goes on", abort: "silence, shutdown" },
};

Deno.test("forcedMove() has a move for every phase and cause", () => {
  const replies = serverReplies("mx.test", { plain: [], secure: [] });
  for (const [phase, row] of Object.entries(EXPECTED) as [JointPhase, typeof EXPECTED[JointPhase]][]) {
    const rows = { ...row, dismiss: row.abort.replace("shutdown", "dismissed") };
    for (const [cause, expected] of Object.entries(rows) as [Interruption, string][]) {
      const move = forcedMove(phase, cause);
      const word = spoken(move, replies);
      const said = word === null ? "silence" : new TextDecoder().decode(word.bytes).slice(0, 9);
      assert.equal(
        move.outcome === null ? "goes on" : `${said}, ${move.outcome}`,
        expected,
        `${phase}, ${cause}`,
      );
    }
  }
});
