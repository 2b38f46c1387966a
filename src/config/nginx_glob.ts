/**
 * File name patterns as `include` takes them: glob(3) without options.
 *
 * @module
 */

/** Whether nginx takes a file name for a pattern. */
export function isPattern(name: string): boolean {
  return /[*?[]/.test(name);
}

/**
 * The paths that match an absolute `pattern`, in byte order; a name without wildcards is itself. `list` gives the
 * names in a directory, none when it cannot be read. `*` and `?` match neither `/` nor a leading dot.
 */
export function expandPattern(pattern: string, list: (directory: string) => readonly string[]): string[] {
  const parts = pattern.split("/");
  const first = parts.findIndex(isPattern);
  if (first < 0) return [pattern];
  let found = [parts.slice(0, first).join("/")];
  for (const part of parts.slice(first)) {
    found = found.flatMap((base) => {
      const names = list(base === "" ? "/" : base);
      const wanted = isPattern(part) ? matching(part, names) : names.filter((name) => name === part);
      return wanted.map((name) => `${base}/${name}`);
    });
  }
  return found.sort();
}

function matching(part: string, names: readonly string[]): string[] {
  const expression = partExpression(part);
  return names.filter((name) => expression.test(name) && (part.startsWith(".") || !name.startsWith(".")));
}

/** A part of a path as a regular expression; a `[` without `]` is an ordinary character (glob(7)). */
function partExpression(part: string): RegExp {
  let source = "";
  for (let index = 0; index < part.length; index++) {
    const character = part[index]!;
    if (character === "*") source += ".*";
    else if (character === "?") source += ".";
    else if (character === "\\" && index + 1 < part.length) source += literal(part[++index]!);
    else if (character === "[" && part.indexOf("]", index + 2) > 0) {
      const end = part.indexOf(
        "]",
        part[index + 1] === "!" || part[index + 1] === "^" ? index + 3 : index + 2,
      );
      if (end < 0) source += literal(character);
      else {
        source += bracket(part.slice(index + 1, end));
        index = end;
      }
    } else source += literal(character);
  }
  return new RegExp(`^${source}$`, "su");
}

function bracket(inside: string): string {
  const negated = inside.startsWith("!") || inside.startsWith("^");
  const set = (negated ? inside.slice(1) : inside).replace(/[\\\]\[^]/g, "\\$&");
  const ordered = set.replace(/(.)-(.)/gsu, (range, from: string, to: string) => from <= to ? range : "");
  return `[${negated ? "^" : ""}${ordered}]`;
}

function literal(character: string): string {
  return character.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
