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
