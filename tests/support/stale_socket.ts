import { refused } from "./refused.ts";

/** Leaves the file of a Unix socket at `path` where nobody listens, as a process that was killed does. */
export async function leaveStaleSocket(path: string): Promise<void> {
  // Closing removes the file, but not its second name.
  const listener = Deno.listen({ transport: "unix", path: `${path}.once` });
  await Deno.link(`${path}.once`, path);
  listener.close();
  await refused({ transport: "unix", path });
}
