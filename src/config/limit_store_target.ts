/** The `limit_store` directive. */
import { bracketed, formatSocketAddress } from "../bytes/socket_address.ts";
import { parseHostAndPort, parseUnixAddress } from "./addresses.ts";
import type { LimitStoreTarget } from "./settings.ts";
import { Refusal, scalar, type ScalarType } from "./value_type.ts";

const REDIS_PORT = 6379;
const URL_PARTS = /^(rediss?):\/\/(?:([^:@/?#]*)(?::([^@/?#]*))?@)?([^@/?#]+)(?:\/(\d{1,4})?)?$/;

export const limitStoreTarget: ScalarType<LimitStoreTarget> = scalar<LimitStoreTarget>({
  expected: '"memory", "redis://[USER:PASSWORD@]HOST[:PORT][/DATABASE]", "rediss://..." or "unix:/path"',
  // It may be in the URL.
  secret: true,
  readText(text) {
    if (text.toLowerCase() === "memory") return { kind: "memory" };
    const unix = parseUnixAddress(text);
    if (unix !== null) {
      if (unix instanceof Refusal) return unix;
      return { kind: "redis", address: unix, tls: false, user: null, password: null, database: 0 };
    }
    const parts = URL_PARTS.exec(text);
    const place = parseHostAndPort(parts?.[4] ?? "");
    const [user, password] = [decoded(parts?.[2]), decoded(parts?.[3])];
    if (parts === null || place === null || place.host === "" || place.port === 0) return new Refusal();
    if (user === undefined || password === undefined) return new Refusal();
    return {
      kind: "redis",
      address: { kind: "tcp", host: place.host, port: place.port ?? REDIS_PORT },
      tls: parts[1] === "rediss",
      user: user === "" ? null : user,
      password: password === "" ? null : password,
      database: Number(parts[5] ?? 0),
    };
  },
  print(target) {
    if (target.kind === "memory") return "memory";
    const { address, tls, user, password, database } = target;
    if (address.kind === "unix") return formatSocketAddress(address);
    const secret = password === null ? "" : ":***";
    const who = user === null && password === null ? "" : `${encodeURIComponent(user ?? "")}${secret}@`;
    const where = `${bracketed(address.host)}:${address.port}`;
    return `redis${tls ? "s" : ""}://${who}${where}${database === 0 ? "" : `/${database}`}`;
  },
});

/** Null where there is none, undefined where it is wrong. */
function decoded(text: string | undefined): string | null | undefined {
  if (text === undefined) return null;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
