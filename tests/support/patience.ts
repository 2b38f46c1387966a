/** How long a test waits for anything, in milliseconds: generous, as it only ends tests that fail anyway. */
export const PATIENCE_MS = 20_000;

/**
 * Answers what `promise` settles to, or throws when it has not settled in time. `describe` is asked for the text
 * of the error only then; `giveUp` ends whatever the promise was waiting for.
 */
export async function within<T>(
  promise: Promise<T>,
  describe: () => string,
  options: { readonly ms?: number; readonly giveUp?: () => void } = {},
): Promise<T> {
  const ms = options.ms ?? PATIENCE_MS;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const expired = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => {
      options.giveUp?.();
      reject(new Error(`Nothing happened in ${ms} ms: ${describe()}`));
    }, ms);
  });
  try {
    return await Promise.race([promise, expired]);
  } finally {
    clearTimeout(timer);
  }
}

/** How often {@linkcode until} looks, in milliseconds. */
const LOOK_MS = 20;

/**
 * Looks again and again whether `condition` has come about: for what nobody tells, such as what another process does
 * to a file. Throws when it has not in time.
 */
export async function until(
  condition: () => boolean | Promise<boolean>,
  describe: () => string,
): Promise<void> {
  let given = false;
  const look = async () => {
    while (!given && !await condition()) await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  };
  await within(look(), describe, { giveUp: () => given = true });
}
