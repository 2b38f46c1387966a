/**
 * How the demo looks: one colour for each side, plain text where the output is no terminal.
 *
 * @module
 */

/** Who speaks on a line of the demo. */
export type Speaker = "client" | "postern" | "auth" | "relayed" | "mail server" | "try";

const CODES = {
  dim: 2,
  bold: 1,
  client: 36,
  postern: 32,
  auth: 35,
  relayed: 33,
  "mail server": 34,
  try: 1,
} as const;

const coloured = Deno.stdout.isTerminal() || Deno.env.get("FORCE_COLOR") !== undefined;
let steps = 0;

/** Text in the colour of its role. */
export function paint(role: keyof typeof CODES, text: string): string {
  return coloured ? `\x1b[${CODES[role]}m${text}\x1b[0m` : text;
}

/** A headline: what happens next. */
export function step(text: string): void {
  console.log(`\n${paint("bold", `${++steps}. ${text}`)}`);
}

/** A line that somebody says. */
export function say(speaker: Speaker, line: string): void {
  console.log(`${paint(speaker, speaker.padStart(11))} ${paint("dim", "|")} ${line}`);
}

/** What a line means. */
export function explain(text: string): void {
  console.log(`${" ".repeat(11)} ${paint("dim", `  ${text}`)}`);
}
