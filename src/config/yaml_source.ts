/**
 * YAML text as a tree that keeps, for every node, the place it stands at. Scalars keep their source text: what
 * `on`, `0600` or `1:30` means is for the directive to say, not for YAML.
 *
 * @module
 */
import { type Alias, isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument } from "yaml";
import type { Document, Node, Pair, YAMLMap, YAMLSeq } from "yaml";
import type { Place, ProblemList } from "./problem.ts";

export type SourceNode = ScalarNode | ListNode | MapNode;

export interface ScalarNode extends Place {
  readonly kind: "scalar";
  readonly text: string;
}

export interface ListNode extends Place {
  readonly kind: "list";
  readonly items: readonly SourceNode[];
}

export interface MapNode extends Place {
  readonly kind: "map";
  readonly entries: ReadonlyMap<string, MapEntry>;
}

export interface MapEntry {
  /** Where the key stands. */
  readonly at: Place;
  readonly node: SourceNode;
}

/** Faults that mostly come from a text that YAML reads as something else. */
const NEEDS_QUOTES = new Set([
  "UNEXPECTED_TOKEN",
  "BAD_SCALAR_START",
  "BLOCK_AS_IMPLICIT_KEY",
  "TAG_RESOLVE_FAILED",
]);
const QUOTES_HINT =
  'a text that begins with one of [ ] { } * & ! | > @ % or that has ": " in it needs quotes';

/** Reads YAML; null when it cannot be made out, with the reasons in `problems`. */
export function parseYaml(text: string, problems: ProblemList): SourceNode | null {
  const lineCounter = new LineCounter();
  // "failsafe" leaves every scalar as the text it is.
  const document = parseDocument(text, { lineCounter, schema: "failsafe", prettyErrors: false });
  for (const fault of [...document.errors, ...document.warnings]) {
    const { line, col } = lineCounter.linePos(fault.pos[0]);
    const place = { key: "", line: Math.max(line, 1), column: Math.max(col, 1) };
    if (fault.code === "DUPLICATE_KEY") {
      problems.add(place, "duplicate_key", `the key "${wordAt(text, fault.pos[0])}" was already given above`);
    } else {
      const hint = NEEDS_QUOTES.has(fault.code) ? `; ${QUOTES_HINT}` : "";
      problems.add(place, "syntax", `${fault.message}${hint}`);
    }
  }
  if (problems.has("syntax")) return null;
  const root = new TreeBuilder(document, lineCounter, problems).build(document.contents, "");
  return problems.has("syntax") ? null : root;
}

function wordAt(text: string, offset: number): string {
  return /^["']?([^"':\s]*)/.exec(text.slice(offset, offset + 80))?.[1] ?? "";
}

/** Turns the nodes of the YAML library into ours. An alias yields the node of its anchor, built once. */
class TreeBuilder {
  readonly #document: Document;
  readonly #lines: LineCounter;
  readonly #problems: ProblemList;
  /** Null while a node is being built: an alias to it would have no end. */
  readonly #built = new Map<Node, SourceNode | null>();

  constructor(document: Document, lines: LineCounter, problems: ProblemList) {
    this.#document = document;
    this.#lines = lines;
    this.#problems = problems;
  }

  build(node: Node | null, key: string, fallback?: Place): SourceNode {
    const place = this.#place(node, key, fallback);
    if (node === null) return { kind: "scalar", text: "", ...place };
    if (isAlias(node)) return this.#follow(node, place);
    const known = this.#built.get(node);
    if (known) return known;
    this.#built.set(node, null);
    const built = this.#convert(node, place);
    this.#built.set(node, built);
    return built;
  }

  #convert(node: Node, place: Place): SourceNode {
    if (isMap(node)) return { kind: "map", entries: this.#entries(node, place), ...place };
    if (isSeq(node)) {
      const items = (node as YAMLSeq<Node | null>).items;
      return {
        kind: "list",
        items: items.map((item, i) => this.build(item, `${place.key}[${i}]`, place)),
        ...place,
      };
    }
    const value = isScalar(node) ? node.value : "";
    return { kind: "scalar", text: typeof value === "string" ? value : String(value ?? ""), ...place };
  }

  #entries(map: YAMLMap, place: Place): Map<string, MapEntry> {
    const entries = new Map<string, MapEntry>();
    const merged: MapNode[] = [];
    for (const pair of map.items as Pair<Node, Node | null>[]) {
      const name = isScalar(pair.key) && typeof pair.key.value === "string" ? pair.key.value : null;
      if (name === null) {
        this.#problems.add(this.#place(pair.key, place.key, place), "syntax", "a key must be a plain word");
        continue;
      }
      const key = place.key === "" ? name : `${place.key}.${name}`;
      const at = this.#place(pair.key, key, place);
      const node = this.build(pair.value, key, at);
      if (name === "<<") merged.push(...this.#mergeSources(node, at));
      else if (!entries.has(name)) entries.set(name, { at, node });
    }
    // What the map says itself comes before what is merged in (YAML merge key, "<<").
    for (const source of merged) {
      for (const [name, entry] of source.entries) if (!entries.has(name)) entries.set(name, entry);
    }
    return entries;
  }

  #mergeSources(node: SourceNode, at: Place): MapNode[] {
    const sources = node.kind === "list" ? node.items : [node];
    const maps = sources.filter((source) => source.kind === "map");
    if (maps.length < sources.length) {
      this.#problems.add(at, "syntax", 'expected a map, or a list of maps, after "<<"');
    }
    return maps;
  }

  #follow(alias: Alias, place: Place): SourceNode {
    const target = alias.resolve(this.#document);
    const nothing: SourceNode = { kind: "scalar", text: "", ...place };
    if (!target) {
      this.#problems.add(place, "syntax", `no anchor "&${alias.source}" stands above; ${QUOTES_HINT}`);
      return nothing;
    }
    if (this.#built.get(target) === null) {
      this.#problems.add(place, "syntax", `the alias "*${alias.source}" contains itself`);
      return nothing;
    }
    return this.build(target, place.key, place);
  }

  #place(node: Node | null, key: string, fallback?: Place): Place {
    const offset = node?.range?.[0];
    if (offset === undefined) return { key, line: fallback?.line ?? 1, column: fallback?.column ?? 1 };
    const { line, col } = this.#lines.linePos(offset);
    return { key, line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}
