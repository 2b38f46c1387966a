/**
 * One level of nginx's mail configuration, `mail {}` or a `server {}` in it, as keys of Postern's YAML.
 *
 * @module
 */
import { NGINX_MAIL_DIRECTIVES, type NginxMailDirective } from "./nginx_directives.ts";
import { NginxConfigError } from "./nginx_lexer.ts";
import type { NginxDirective } from "./nginx_parser.ts";
import { reasonForName, reasonForValue } from "./nginx_refusal.ts";
import type { YamlEntry } from "./nginx_yaml.ts";

/** A directive, or a part of one, that Postern does not take over. */
export interface LeftOut {
  readonly file: string;
  readonly line: number;
  readonly directive: string;
  readonly reason: string;
}

/** What relative names of files begin with, both absolute. */
export interface NginxPlaces {
  /** Directory of the main file. */
  readonly directory: string;
  /** nginx's prefix (`nginx -p`), for logs. */
  readonly prefix: string;
}

/** Ends the conversion with a fault of a directive, at the line that nginx names. */
export function failAt(directive: NginxDirective, problem: string): never {
  throw new NginxConfigError(problem, directive.file, directive.endLine);
}

/** Collects the keys of a level. */
export class LevelBuilder {
  readonly entries: YamlEntry[] = [];
  readonly #places: NginxPlaces;
  readonly #leftOut: LeftOut[];
  readonly #seen = new Set<string>();

  /** What is left out goes to the end of `leftOut`. */
  constructor(places: NginxPlaces, leftOut: LeftOut[]) {
    this.#places = places;
    this.#leftOut = leftOut;
  }

  /** Notes that a directive is not taken over. */
  leaveOut({ file, line, name }: Pick<NginxDirective, "file" | "line" | "name">, reason: string): void {
    this.#leftOut.push({ file, line, directive: name, reason });
  }

  /** Whether a key has been set. */
  has(key: string): boolean {
    return this.entries.some((entry) => entry.key === key);
  }

  /** The values of a key, or null. */
  values(key: string): readonly string[] | null {
    return this.entries.find((entry) => entry.key === key)?.items.map((item) => item.text) ?? null;
  }

  /** Takes a directive over, as far as Postern has it. */
  take(directive: NginxDirective): void {
    const { name, args } = directive;
    const known = NGINX_MAIL_DIRECTIVES.get(name);
    const reason = reasonForName(name);
    if (known === undefined) {
      return this.leaveOut(directive, reason ?? "nginx's mail module does not have it");
    }
    this.#check(directive, known);
    const fail = (problem: string) => failAt(directive, problem);
    const { values, besides, refused } = known.meaning(args, { ...this.#places, name, fail });
    const unwanted = reason ?? refused;
    if (unwanted !== null) return this.leaveOut(directive, unwanted);
    const taken = values.filter((value) => {
      const refusal = reasonForValue(name, value, known.list);
      // Without its own, a server would have the auth service of mail {}, and send that one the passwords.
      if (refusal !== null && name === "auth_http") fail(refusal);
      if (refusal !== null) this.leaveOut(directive, refusal);
      return refusal === null;
    });
    if (known.again === "replaces") this.#drop(name);
    this.add(directive, name, taken, known.list);
    if (besides !== null && taken.length > 0) this.set(besides.key, besides.value, [besides.why]);
  }

  /** Adds values of a key, with the comments of the directive that they come from. */
  add(directive: NginxDirective, key: string, values: readonly string[], list: boolean): void {
    if (values.length === 0) return;
    let entry = this.entries.find((each) => each.key === key);
    if (entry === undefined) {
      entry = { key, items: [], list, afterBlank: directive.afterBlank };
      this.entries.push(entry);
    }
    values.forEach((text, index) =>
      entry.items.push({
        text,
        comments: index === 0 ? directive.comments : [],
        trailing: index === values.length - 1 ? directive.trailing : null,
      })
    );
  }

  /** Sets a key that stands in no directive; `why` becomes its comment. */
  set(key: string, value: string, why: readonly string[]): void {
    this.#drop(key);
    const items = [{ text: value, comments: why.map((line) => ` ${line}`), trailing: null }];
    this.entries.push({ key, items, list: false, afterBlank: false });
  }

  /** Sets a key to a list that stands in no directive. */
  replace(key: string, values: readonly string[]): void {
    this.#drop(key);
    const items = values.map((text) => ({ text, comments: [], trailing: null }));
    this.entries.push({ key, items, list: true, afterBlank: false });
  }

  #drop(key: string): void {
    const index = this.entries.findIndex((entry) => entry.key === key);
    if (index >= 0) this.entries.splice(index, 1);
  }

  /** nginx's own checks, in its order and words. */
  #check(directive: NginxDirective, known: NginxMailDirective): void {
    const { name, args, block } = directive;
    if (block !== null) failAt(directive, `directive "${name}" is not terminated by ";"`);
    const [least, most] = known.args;
    if (args.length < least || args.length > most) {
      failAt(directive, `invalid number of arguments in "${name}" directive`);
    }
    if (known.again === "duplicate" && this.#seen.has(name)) {
      failAt(directive, `"${name}" directive is duplicate`);
    }
    this.#seen.add(name);
  }
}
