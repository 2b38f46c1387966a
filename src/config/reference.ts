import { type AnyDirective, directives } from "./definitions.ts";
import type { DirectiveContext } from "./directive.ts";

const CONTEXTS: Readonly<Record<DirectiveContext, string>> = {
  main: "`mail`",
  server: "server",
  both: "`mail`, server",
};

/** The table of all directives for README, in Markdown. */
export function directiveTable(): string {
  const rows = [...directives].map(([name, directive]) =>
    row([
      `\`${name}\``,
      CONTEXTS[directive.context],
      showDefault(directive),
      describe(directive),
      directive.source,
    ])
  );
  return [row(["Directive", "Context", "Default", "Meaning", "From"]), row(Array(5).fill("---")), ...rows, ""]
    .join("\n");
}

function showDefault({ default: value, absent }: AnyDirective): string {
  if (value === null) return absent ?? "none";
  if (typeof value === "string") return `\`${value}\``;
  return value.length === 0 ? "none" : value.map((item) => `\`${item}\``).join(" ");
}

function describe({ doc, note }: AnyDirective): string {
  return note === undefined ? doc : `${doc} *${note}*`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
}
