/** A reproducible source of choices (mulberry32). */
export class Choices {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** An integer from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor(((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296 * bound);
  }

  /** True once in `bound` times. */
  onceIn(bound: number): boolean {
    return this.below(bound) === 0;
  }

  one<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!;
  }
}

/** Octets that grammars treat specially. */
const SPECIAL = [
  "\r\n",
  "\r",
  "\n",
  "\0",
  " ",
  "\t",
  ".",
  "\r\n.\r\n",
  "-",
  ":",
  "=",
  "\xff",
  "\xc3\xa9",
  "%",
  "<",
  ">",
];

/** Changes `text` (a byte string) in zero to four places. */
export function mutate(text: string, choices: Choices): string {
  let result = text;
  for (let rounds = choices.below(5); rounds > 0; rounds--) result = mutateOnce(result, choices);
  return result;
}

function mutateOnce(text: string, choices: Choices): string {
  const at = choices.below(text.length + 1);
  const length = choices.below(choices.onceIn(4) ? 200 : 8);
  switch (choices.below(8)) {
    case 0: // change one octet
      return text.slice(0, at) + String.fromCharCode(choices.below(256)) + text.slice(at + 1);
    case 1: // take octets out
      return text.slice(0, at) + text.slice(at + length);
    case 2: // say something twice
      return text.slice(0, at + length) + text.slice(at);
    case 3:
      return text.slice(0, at) + choices.one(SPECIAL) + text.slice(at);
    case 4: // arbitrary octets
      return text.slice(0, at) +
        Array.from({ length }, () => String.fromCharCode(choices.below(256))).join("") + text.slice(at);
    case 5: // much of one octet
      return text.slice(0, at) + choices.one(["A", " ", "\n", "=", "\xff"]).repeat(choices.below(6_000)) +
        text.slice(at);
    case 6: // stop early
      return text.slice(0, at);
    default: // flip a bit
      return text.slice(0, at) +
        String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << choices.below(8))) + text.slice(at + 1);
  }
}

/** Cuts `text` into one to five segments. */
export function segments(text: string, choices: Choices): readonly string[] {
  const cuts = Array.from({ length: choices.below(5) }, () => choices.below(text.length + 1));
  const marks = [0, ...cuts.sort((a, b) => a - b), text.length];
  return marks.slice(1).map((mark, i) => text.slice(marks[i], mark)).filter((part) => part !== "");
}

/** A number of the environment, or null. */
export function numberOf(variable: string): number | null {
  const permission = Deno.permissions.querySync({ name: "env", variable });
  const text = permission.state === "granted" ? Deno.env.get(variable) : undefined;
  return text === undefined ? null : Number(text);
}
