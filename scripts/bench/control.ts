/**
 * How the bench talks with the programs that it starts: one JSON value per line, a request on their standard
 * input, its answer on their standard output.
 *
 * @module
 */

/** Cuts a stream into its lines, without their line ends. */
export async function* readLines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  ) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

/**
 * Answers the requests of the bench, one after the other, until it goes away; then this program ends, whatever it
 * was doing.
 */
export async function answerRequests<Request>(answer: (request: Request) => Promise<unknown>): Promise<void> {
  let last = Promise.resolve();
  for await (const line of readLines(Deno.stdin.readable)) {
    last = last.then(async () => tell(await answer(JSON.parse(line) as Request)));
    last.catch((error) => {
      tell({ error: error instanceof Error ? error.message : String(error) });
      Deno.exit(1);
    });
  }
  Deno.exit(0);
}

/** Tells the bench something without being asked: where a service listens. */
export function tell(value: unknown): void {
  console.log(JSON.stringify(value));
}
