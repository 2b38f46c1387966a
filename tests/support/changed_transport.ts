import type { Transport } from "../../src/ports/transport.ts";

/** `below` with some of its methods replaced: what is layered upon it comes through these. */
export function changed(below: Transport, changes: Partial<Transport>): Transport {
  return new Proxy(below, {
    get: (target, name) => {
      const change = Reflect.get(changes, name);
      if (change !== undefined) return change;
      // Ways around `read` and `write`.
      if (name === "readFor" || name === "writeFor") return undefined;
      const value = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
