/** Inheritance: what holds for one server of what the server, `mail:` and the defaults say. */
import {
  type AnyDirective,
  directives,
  serverDirectives,
  type ServerDirectiveValues,
} from "./definitions.ts";
import type { Directive } from "./directive.ts";
import { nearName } from "./near_name.ts";
import type { Place, ProblemList } from "./problem.ts";
import { unsupportedDirectives } from "./unsupported.ts";
import type { Reading } from "./value_type.ts";
import type { MapNode, SourceNode } from "./yaml_source.ts";

/** A directive that the file has; the value is undefined when it was wrong. */
interface Given {
  readonly at: Place;
  readonly value: unknown;
}

/** What one map of the file says, `mail:` or an entry of `servers:`. */
export class Level {
  readonly at: Place;
  readonly given: ReadonlyMap<string, Given>;

  private constructor(at: Place, given: ReadonlyMap<string, Given>) {
    this.at = at;
    this.given = given;
  }

  /** Reads the directives of a map; keys of `apart` are the caller's. */
  static read(
    map: MapNode,
    kind: "mail" | "server",
    apart: readonly string[],
    reading: Reading,
    problems: ProblemList,
  ): Level {
    const given = new Map<string, Given>();
    for (const [name, { at, node }] of map.entries) {
      if (apart.includes(name)) continue;
      const directive = directives.get(name);
      if (directive === undefined) reportUnknown(name, at, kind, apart, problems);
      else if (!mayStand(directive, kind)) {
        const place = kind === "mail" ? 'an entry of "servers"' : '"mail", above the servers';
        problems.add(at, "misplaced", `"${name}" is not allowed here: it belongs under ${place}`);
      } else given.set(name, { at: placeOfValue(at, node), value: directive.type.read(node, reading) });
    }
    return new Level(map, given);
  }
}

function mayStand(directive: AnyDirective, kind: "mail" | "server"): boolean {
  return directive.context === "both" || directive.context === (kind === "mail" ? "main" : "server");
}

/** The value's own line, but the key of this map: an alias would name the place of its anchor. */
function placeOfValue(at: Place, node: SourceNode): Place {
  return node.key === at.key ? node : at;
}

function reportUnknown(
  name: string,
  at: Place,
  kind: "mail" | "server",
  apart: readonly string[],
  problems: ProblemList,
): void {
  const reason = Object.hasOwn(unsupportedDirectives, name) ? unsupportedDirectives[name] : undefined;
  if (reason !== undefined) {
    problems.add(
      at,
      "unsupported",
      `"${name}" is a directive of nginx that Postern does not have: ${reason}`,
    );
    return;
  }
  if (/^(imap|pop3)_/.test(name)) {
    problems.add(
      at,
      "unsupported",
      `"${name}" is a directive of nginx that Postern does not have: Postern speaks SMTP only`,
    );
    return;
  }
  const allowed = [...directives].filter(([, directive]) => mayStand(directive, kind)).map(([known]) =>
    known
  );
  const near = nearName(name, [...allowed, ...apart]);
  const hint = near === null ? "the reference in README lists all directives" : `did you mean "${near}"?`;
  problems.add(at, "unknown_key", `unknown directive ${JSON.stringify(name)}: ${hint}`);
}

const DEFAULTS_READING: Reading = {
  problem: (place, _code, message) => {
    throw new TypeError(`The default of "${place.key}" is wrong: ${message}`);
  },
  filePath: (name) => name,
};

/** The value that a directive has when nobody gives one; undefined where there is none. */
export function defaultOf<T>(name: string, directive: Directive<T>): T | undefined {
  const place: Place = { key: name, line: 0, column: 0 };
  const text = directive.default;
  if (text === null) return undefined;
  if (typeof text === "string") {
    return directive.type.read({ kind: "scalar", text, ...place }, DEFAULTS_READING);
  }
  const items = text.map((item) => ({ kind: "scalar" as const, text: item, ...place }));
  return directive.type.read({ kind: "list", items, ...place }, DEFAULTS_READING);
}

const DEFAULTS: ReadonlyMap<string, unknown> = new Map(
  Object.entries(serverDirectives).map((
    [name, directive],
  ) => [name, defaultOf(name, directive as AnyDirective)]),
);

/** Of those that have another default where `compat: nginx` holds. */
const COMPAT_DEFAULTS: ReadonlyMap<string, unknown> = new Map(
  (Object.entries(serverDirectives) as [string, AnyDirective][]).flatMap(([name, directive]) => {
    const text = directive.compatDefault;
    return text === undefined ? [] : [[name, defaultOf(name, { ...directive, default: text })] as const];
  }),
);

/** One server's directives after inheritance: a server's value replaces that of `mail:` entirely (spec §1.0). */
export class EffectiveServer {
  readonly #server: Level;
  readonly #mail: Level;

  constructor(server: Level, mail: Level) {
    this.#server = server;
    this.#mail = mail;
  }

  /** Where the server begins. */
  get at(): Place {
    return this.#server.at;
  }

  /** The value that holds; undefined when it is wrong, or when none is given and there is no default. */
  get<K extends keyof ServerDirectiveValues>(name: K): ServerDirectiveValues[K] | undefined {
    const given = this.#find(name);
    // The tables pair every name with the type of its value.
    return (given === undefined ? this.#default(name) : given.value) as ServerDirectiveValues[K] | undefined;
  }

  #default(name: string): unknown {
    const compat = COMPAT_DEFAULTS.has(name) && this.get("compat") === "nginx";
    return (compat ? COMPAT_DEFAULTS : DEFAULTS).get(name);
  }

  /** Whether the file says something, right or wrong. */
  isGiven(name: keyof ServerDirectiveValues): boolean {
    return this.#find(name) !== undefined;
  }

  /** Where the value that holds stands; the server itself when it is a default. */
  placeOf(name: keyof ServerDirectiveValues): Place {
    return this.#find(name)?.at ?? this.at;
  }

  #find(name: string): Given | undefined {
    return this.#server.given.get(name) ?? this.#mail.given.get(name);
  }
}
