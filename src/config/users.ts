/** The `users` directive: logins that Postern knows itself. */
import { decodeBase64 } from "../bytes/base64.ts";
import { encodeLatin1, encodeUtf8AsByteString } from "../bytes/latin1.ts";
import { upstreamAddress } from "./addresses.ts";
import { nearName } from "./near_name.ts";
import type { UserEntry } from "./settings.ts";
import {
  oneOrSeveral,
  type Reading,
  Refusal,
  reportMismatch,
  scalar,
  type ScalarType,
  type ValueType,
} from "./value_type.ts";
import type { MapNode, SourceNode } from "./yaml_source.ts";

const KEYS = ["name", "password_hash", "upstream"];

const userName: ScalarType<string> = scalar({
  expected: "a login name",
  // deno-lint-ignore no-control-regex -- a login with controls cannot be typed, and forges log lines
  readText: (text) => /^[^\x00-\x1f\x7f]{1,255}$/.test(text) ? encodeUtf8AsByteString(text) : new Refusal(),
  print: (name) => new TextDecoder().decode(encodeLatin1(name)),
});

/** A hash in PHC form; what the numbers may be is for the room that computes it. */
const passwordHash: ScalarType<string> = scalar({
  expected: 'a hash as "postern hash-password" prints it: $scrypt$ln=15,r=8,p=1$SALT$HASH',
  secret: true,
  readText(text) {
    const match =
      /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/.exec(
        text,
      );
    if (match === null || decodeBase64(match[4] ?? "") === null || decodeBase64(match[5] ?? "") === null) {
      return new Refusal();
    }
    const [ln, r, p] = [Number(match[1]), Number(match[2]), Number(match[3])];
    // 128 · N · r octets of memory (RFC 7914 §6): 256 MiB is what the room that computes it allows.
    const fits = ln >= 1 && ln <= 20 && r >= 1 && p >= 1 && p <= 16 && 128 * 2 ** ln * r <= 256 * 1024 * 1024;
    return fits
      ? text
      : new Refusal("the numbers of this hash are out of bounds: at most 256 MiB of memory and p=16");
  },
  print: () => "***",
});

/** One mail server, or several in the order in which they are to be tried. */
const upstreams = oneOrSeveral(upstreamAddress);

const EXPECTED = 'a list of users, each with "name", "password_hash" and "upstream"';

export const users: ValueType<readonly UserEntry[]> = {
  expected: EXPECTED,
  schema: {
    type: "array",
    minItems: 1,
    items: {
      type: "object",
      properties: {
        name: userName.schema,
        password_hash: passwordHash.schema,
        upstream: upstreams.schema,
      },
      required: KEYS,
      additionalProperties: false,
    },
  },
  print: (entries) =>
    entries.map(({ name, password_hash, upstream }) => ({
      name: userName.print(name),
      password_hash: passwordHash.print(password_hash),
      upstream: upstreams.print(upstream),
    })),
  read(node, reading) {
    if (node.kind !== "list" || node.items.length === 0) return reportMismatch(node, EXPECTED, reading);
    const entries = node.items.map((item) => readUser(item, reading));
    return reportDoubles(node.items, reading) || !entries.every((entry) => entry !== undefined)
      ? undefined
      : entries;
  },
};

function readUser(node: SourceNode, reading: Reading): UserEntry | undefined {
  if (node.kind !== "map") return reportMismatch(node, `a user with ${KEYS.join(", ")}`, reading);
  for (const [key, entry] of node.entries) {
    if (KEYS.includes(key)) continue;
    const near = nearName(key, KEYS);
    const hint = near === null ? `expected ${KEYS.join(", ")}` : `did you mean ${JSON.stringify(near)}?`;
    reading.problem(entry.at, "unknown_key", `unknown key ${JSON.stringify(key)} of a user: ${hint}`);
  }
  const name = readPart(node, "name", userName, reading);
  const password_hash = readPart(node, "password_hash", passwordHash, reading);
  const upstream = readPart(node, "upstream", upstreams, reading);
  if (name === undefined || password_hash === undefined || upstream === undefined) return undefined;
  return { name, password_hash, upstream };
}

function readPart<T>(user: MapNode, key: string, type: ValueType<T>, reading: Reading): T | undefined {
  const entry = user.entries.get(key);
  if (entry !== undefined) return type.read(entry.node, reading);
  return void reading.problem(
    user,
    "missing",
    `${JSON.stringify(key)} is missing: expected ${type.expected}`,
  );
}

function reportDoubles(items: readonly SourceNode[], reading: Reading): boolean {
  const lines = new Map<string, number>();
  let found = false;
  for (const item of items) {
    const node = item.kind === "map" ? item.entries.get("name")?.node : undefined;
    if (node?.kind !== "scalar") continue;
    const line = lines.get(node.text);
    if (line === undefined) lines.set(node.text, node.line);
    else {
      reading.problem(
        node,
        "conflict",
        `the user ${JSON.stringify(node.text)} was already given in line ${line}`,
      );
      found = true;
    }
  }
  return found;
}
