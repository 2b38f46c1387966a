import type { ValueType } from "./value_type.ts";

/** Where a directive may stand: directly under `mail:`, in an entry of `servers:`, or in both. */
export type DirectiveContext = "main" | "server" | "both";

/** All there is to know of one directive. */
export interface Directive<T> {
  readonly context: DirectiveContext;
  readonly type: ValueType<T>;
  /**
   * The value when nobody gives one, in the form a user writes. Null when it must be given or comes from the
   * system; `absent` then says so.
   */
  readonly default: string | readonly string[] | null;
  /** The default where `compat: nginx` holds, if that is another one. */
  readonly compatDefault?: string;
  /** Shown where `default` would be. */
  readonly absent?: string;
  /** One sentence for the reference. */
  readonly doc: string;
  /** Whether the name and the meaning are nginx's. */
  readonly source: "nginx" | "Postern";
  /** What differs from nginx, or what the runtime imposes. */
  readonly note?: string;
}

/** A table of directives for the properties of `T`; a missing or an extra row is a type error. */
export type DirectiveTable<T> = { readonly [K in keyof T]: Directive<T[K]> };
