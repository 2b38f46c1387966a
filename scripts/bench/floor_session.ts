/**
 * The floor, and after each of its sessions one of Postern's without sockets (`bench_micro/whole_session.ts`). So it is
 * seen what Postern's own work costs between reads and writes that leave nothing of it in the processor's caches: in a
 * loop of its own the same session costs a fraction of that. Run by the bench, with `--floor-by session`.
 *
 * @module
 */
import { prepareSessions, type SessionLoad } from "../bench_micro/whole_session.ts";
import { serveFloor } from "./floor.ts";

/** Runs sessions of one load, one at a time. */
async function oneByOne(load: SessionLoad): Promise<() => Promise<void>> {
  const sessions = await prepareSessions(load);
  let last = Promise.resolve();
  return () => last = last.then(() => sessions.run());
}

if (import.meta.main) {
  const [plain, starttls] = await Promise.all([oneByOne("plain"), oneByOne("starttls")]);
  serveFloor(Deno.args, { plain, starttls });
}
