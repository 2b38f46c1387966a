import { createClock } from "../io/deadlines.ts";
import { AdminClient, AdminError } from "./admin_client.ts";
import { ADMIN_OPTIONS, findAdmin } from "./admin_option.ts";
import type { CommandIo } from "./cli.ts";
import { parseOptions, UsageError } from "./command_options.ts";

const OPTIONS = { ...ADMIN_OPTIONS, ready: { type: "boolean", default: false } } as const;

/**
 * `postern health`: asks the admin listener whether the proxy is well, or with `--ready` whether it wants clients. For
 * health checks where there is no HTTP client. 0 when it does, 1 when not, 2 for wrong usage.
 */
export async function healthCommand(args: string[], io: CommandIo): Promise<number> {
  const clock = createClock();
  try {
    const options = parseOptions("health", args, OPTIONS);
    const { address, token } = findAdmin("health", options);
    const { status, body } = await new AdminClient(address, token, clock).ask(
      options.ready ? "/readyz" : "/healthz",
    );
    (status === 200 ? io.out : io.err)(body);
    return status === 200 ? 0 : 1;
  } catch (error) {
    if (!(error instanceof UsageError || error instanceof AdminError)) throw error;
    const usage = error instanceof UsageError;
    io.err(`${usage ? "" : "postern health: "}${error.message}\n`);
    return usage ? 2 : 1;
  } finally {
    clock.close();
  }
}
