/**
 * Writes YAML with comments, as much of it as a converted configuration needs.
 *
 * @module
 */

/** One value of a key, with the comments that belong to it. */
export interface YamlItem {
  readonly text: string;
  readonly comments: readonly string[];
  readonly trailing: string | null;
}

/** A key and its values. */
export interface YamlEntry {
  readonly key: string;
  readonly items: YamlItem[];
  /** Whether a single value is written as a list too. */
  readonly list: boolean;
  readonly afterBlank: boolean;
}

/** Keys in their order, and the comments around them. */
export interface YamlMap {
  readonly comments: readonly string[];
  readonly entries: readonly YamlEntry[];
  /** Comments behind the last key. */
  readonly closing: readonly string[];
  readonly afterBlank: boolean;
}

/** Longest line for a list in brackets, in characters. */
const LINE_WIDTH = 100;

/** A comment as a line of its own; `text` is what stands behind the `#`. */
export function writeComment(text: string, indent: string): string {
  // Control characters and other line ends would end the comment, or the document.
  // deno-lint-ignore no-control-regex
  return `${indent}#${text.replace(/[\x00-\x08\x0a-\x1f\x7f\x85\u2028\u2029]/g, " ")}`.trimEnd();
}

/** The lines of a map, without its own comments. */
export function writeMap(map: YamlMap, indent: string): string[] {
  const keys = map.entries.flatMap((entry, index) => [
    ...(index > 0 && entry.afterBlank ? [""] : []),
    ...writeEntry(entry, indent),
  ]);
  return [...keys, ...map.closing.map((text) => writeComment(text, indent))];
}

/** The lines of a list of maps; what stands before a map stands before its dash. */
export function writeMaps(maps: readonly YamlMap[], indent: string): string[] {
  return maps.flatMap((map, index) => {
    const lines = writeMap(map, `${indent}  `);
    const first = lines.findIndex((line) => !line.trimStart().startsWith("#"));
    const comments = [
      ...map.comments.map((text) => writeComment(text, indent)),
      ...lines.slice(0, first).map((line) => line.slice(2)),
    ];
    const [opening = "", ...rest] = lines.slice(first);
    return [
      ...(index > 0 && map.afterBlank ? [""] : []),
      ...comments,
      `${indent}- ${opening.trimStart()}`,
      ...rest,
    ];
  });
}

function writeEntry(entry: YamlEntry, indent: string): string[] {
  const { key, items } = entry;
  const [first] = items;
  if (first === undefined) return [];
  const before = first.comments.map((text) => writeComment(text, indent));
  if (items.length === 1 && !entry.list) {
    return [...before, withTrailing(`${indent}${key}: ${writeScalar(first.text)}`, first)];
  }
  const bare = items.slice(1).every((item) => item.comments.length === 0 && item.trailing === null);
  const flow = `${indent}${key}: [${items.map((item) => writeScalar(item.text)).join(", ")}]`;
  if (bare && flow.length <= LINE_WIDTH) return [...before, withTrailing(flow, first)];
  const lines = items.flatMap((item, index) => [
    ...(index === 0 ? [] : item.comments.map((text) => writeComment(text, `${indent}  `))),
    withTrailing(`${indent}  - ${writeScalar(item.text)}`, item),
  ]);
  return [...before, `${indent}${key}:`, ...lines];
}

function withTrailing(line: string, item: YamlItem): string {
  return item.trailing === null ? line : `${line} ${writeComment(item.trailing, "")}`;
}

/** A value, in quotes where YAML would read something else into it. */
export function writeScalar(text: string): string {
  const plain = /^[A-Za-z0-9/][A-Za-z0-9/._+@=:-]*$/.test(text) && !text.endsWith(":") &&
    !/^(?:null|true|false|yes|no|y|n)$/i.test(text);
  return plain ? text : JSON.stringify(text).replace(/\x7f/g, "\\u007f");
}
