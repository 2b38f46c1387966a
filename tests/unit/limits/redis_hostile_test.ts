/** Servers that are no Redis, or do not mean well: they cost a connection, and no session notices more of it. */
import assert from "node:assert/strict";
import { goodAnswer, hostileTo, type RedisAnswer, ScriptedRedis } from "../../support/scripted_redis.ts";
import { Postern, targetOf } from "./redis_postern.ts";
import { holds, RULE } from "./store_cases.ts";

const PLACE = holds(["conn total  ", 3]);
const ATTEMPT = { watches: [{ key: "login client  192.0.2.1", rule: RULE, unless: null }], mark: "m" };
const PASSWORD = "s3cret-of-redis";

const keysOf = (command: readonly string[]) => command.slice(3, 3 + Number(command[2]));

const list = (...items: readonly (string | number)[]) =>
  `*${items.length}\r\n` +
  items.map((item) => typeof item === "number" ? `:${item}\r\n` : `$${item.length}\r\n${item}\r\n`).join("");

/** Answers to somebody who asks for a place, and what is told of them. */
const ADMISSIONS: readonly (readonly [what: string, answer: string, told: RegExp])[] = [
  ["another word", "+fine\r\n", /none of our answers/],
  ["a number", ":0\r\n", /none of our answers/],
  ["nothing at all", "$-1\r\n", /none of our answers/],
  ["an empty list", "*0\r\n", /none of our answers/],
  ["a list that is too long", list("ok", 0, 0), /none of our answers/],
  ["what there is no limit for", list("hold", 1), /none of our answers/],
  ["half of a limit", list("hold", "0"), /none of our answers/],
  ["an unknown kind of limit", list("constructor", 0), /none of our answers/],
  ["an error", "-ERR no\r\n", /^ERR no$/],
  ["an error with the password", `-ERR unknown command '${PASSWORD}'\r\n`, /repeats the password/],
  ["a long error", `-ERR ${"x".repeat(9_000)}\r\n`, /^ERR x{296}$/],
  ["an error in a list", "*2\r\n$2\r\nok\r\n-ERR no\r\n", /an error in a list/],
  ["a list in a list", "*2\r\n*1\r\n:1\r\n:0\r\n", /a list in a list/],
  ["lists in lists without end", "*1\r\n".repeat(100_000), /a list in a list/],
  ["a long list", "*1000000000\r\n", /a length of a list/],
  ["a list of negative length", "*-7\r\n", /a length of a list/],
  ["a huge string", "$2147483647\r\n", /a length of a string/],
  ["a string of negative length", "$-2\r\n", /a length of a string/],
  ["a string that goes on", "$2\r\nokay\r\n", /does not end/],
  ["a line that goes on", "+" + "x".repeat(1_000_000), /too long/],
  ["a long list of long strings", "*1000\r\n" + `$1000\r\n${"x".repeat(1000)}\r\n`.repeat(1000), /too long/],
  ["a line feed alone", "+OK\n", /a line that does not end/],
  ["an integer that is none", ":1e3\r\n", /an integer that is none/],
  ["HTTP", "HTTP/1.1 400 Bad Request\r\n\r\n", /no reply/],
  ["octets", "\x00\xff\xfe\r\n", /no reply/],
];

for (const [what, answer, told] of ADMISSIONS) {
  Deno.test(`a store that answers with ${what} is left`, async () => {
    await using redis = new ScriptedRedis(hostileTo("admit", () => answer));
    const target = targetOf(redis.port, { password: PASSWORD });
    await using postern = new Postern(target, { open: false });
    assert.deepEqual(await postern.store.admit(PLACE), { over: "store" });
    await postern.changed(1);
    assert.match(postern.changes[0]!, told);
    assert.doesNotMatch(postern.changes[0]!, /s3cret/);
    assert.equal(postern.unanswered, 1);
  });
}

const VERDICTS: readonly (readonly [what: string, answer: string])[] = [
  ["a delay of years", list("pass", 0, "99999999999999")],
  ["a delay for nobody", list("pass", 1, "1000")],
  ["a delay that is none", list("pass", 0, "soon")],
  ["a ban of nobody", list("banned", 3, "1000")],
  ["a ban without an end", list("banned", 0, "1e400")],
  ["a ban in the past", list("banned", 0, "-2")],
  ["half a ban", list("banned", 0)],
  ["an unknown verdict", list("let in", 0, "0")],
];

for (const [what, answer] of VERDICTS) {
  Deno.test(`a store that answers a login with ${what} is left`, async () => {
    await using redis = new ScriptedRedis(hostileTo("login", () => answer));
    await using postern = new Postern(targetOf(redis.port), { open: false });
    assert.deepEqual(await postern.store.loginAllowed(ATTEMPT), { kind: "store" });
    await postern.changed(1);
    assert.match(postern.changes[0]!, /none of our answers/);
  });
}

for (const answer of [list(0), list(1, "1000"), list(0, "x"), list(0, "1", 0, "1"), ":1\r\n"]) {
  Deno.test(`a store that answers a failed login with ${JSON.stringify(answer)} is left`, async () => {
    await using redis = new ScriptedRedis(hostileTo("login", () => answer));
    await using postern = new Postern(targetOf(redis.port), { open: false });
    assert.deepEqual(await postern.store.loginFailed(ATTEMPT), []);
    await postern.changed(1);
    assert.match(postern.changes[0]!, /none of our answers/);
  });
}

/** How it goes wrong before anybody asks. */
const BEGINNINGS: readonly (readonly [what: string, answer: RedisAnswer, told: RegExp])[] = [
  ["closes", () => null, /closed the connection|reset/i],
  [
    "takes no password",
    () => "-ERR AUTH <password> called without any password configured\r\n",
    /no password$/,
  ],
  ["quotes the password", () => `-ERR unknown command 'AUTH', with args: '${PASSWORD}'\r\n`, /AUTH: ERR$/],
  ["quotes a part of the password", () => `-${PASSWORD.slice(0, 10)}\r\n`, /AUTH: an error$/],
  ["answers AUTH with a number", () => ":1\r\n", /none of our answers/],
  ["answers twice", () => "+OK\r\n+OK\r\n", /nobody has asked|does not name/],
  [
    "names scripts as it likes",
    (command) => command[0] === "SCRIPT" ? "+" + "x".repeat(10_000) + "\r\n" : goodAnswer(command),
    /does not name a script/,
  ],
  [
    "lets nobody run scripts",
    (command) => command[0] === "EVALSHA" ? "-NOPERM this user has no permissions\r\n" : goodAnswer(command),
    /NOPERM/,
  ],
];

for (const [what, answer, told] of BEGINNINGS) {
  Deno.test(`a store that ${what} at the beginning is away`, async () => {
    await using redis = new ScriptedRedis(answer);
    await using postern = new Postern(targetOf(redis.port, { password: PASSWORD }));
    await postern.changed(1);
    assert.match(postern.changes[0]!, told);
    assert.doesNotMatch(postern.changes[0]!, /s3cret/);
    assert.equal(await postern.store.admit(PLACE), null);
  });
}

Deno.test("a store that closes in the middle of an answer is left, and asked again over the next connection", async () => {
  let asked = 0;
  await using redis = new ScriptedRedis(hostileTo("admit", () => {
    asked++;
    return asked === 1 ? "*2\r\n$2\r\no" : asked === 2 ? null : list("ok", 0);
  }));
  await using postern = new Postern(targetOf(redis.port), { open: false });
  const answers = await Promise.all([postern.store.admit(PLACE), postern.store.admit(PLACE)]);
  assert.deepEqual(answers, [{ over: "store" }, { over: "store" }]);
  await postern.changed(2);
  assert.equal(postern.changes[1], null);
  assert.equal(await postern.store.admit(PLACE), null);
  assert.equal(redis.connections, 2);
});

for (const tls of [false, true]) {
  Deno.test(`a store that is silent ${tls ? "in the handshake" : "after AUTH"} is away after its time`, async () => {
    await using redis = new ScriptedRedis(() => "");
    const target = targetOf(redis.port, { tls, password: PASSWORD });
    await using postern = new Postern(target, { timeoutMs: 200, open: false });
    await postern.changed(1);
    assert.equal(postern.changes[0], "no answer within 200 ms");
    assert.deepEqual(await postern.store.admit(PLACE), { over: "store" });
    assert.equal(redis.heard.includes(PASSWORD), !tls);
  });
}

for (const tls of [false, true]) {
  Deno.test(`who ends does not wait for a store that is silent ${tls ? "in the handshake" : "after AUTH"}`, async () => {
    const heard = Promise.withResolvers<void>();
    await using redis = new ScriptedRedis(() => "", heard.resolve);
    const target = targetOf(redis.port, { tls, password: PASSWORD });
    await using postern = new Postern(target, { timeoutMs: 600_000, open: false });
    const admitted = postern.store.admit(PLACE);
    await heard.promise;
    await postern.store.close();
    assert.deepEqual([await admitted, postern.changes], [{ over: "store" }, []]);
  });
}

Deno.test("a store that answers what nobody has asked is left", async () => {
  await using redis = new ScriptedRedis(hostileTo("admit", () => list("ok", 0) + list("ok", 0)));
  await using postern = new Postern(targetOf(redis.port), { open: false });
  assert.equal(await postern.store.admit(PLACE), null);
  await postern.changed(1);
  assert.match(postern.changes[0]!, /nobody has asked/);
});

for (const open of [true, false]) {
  Deno.test(`an outage in which ever new clients come has a bound in memory, and fails ${open ? "open" : "closed"}`, async () => {
    let back = false;
    const renewed = new Set<string>();
    await using redis = new ScriptedRedis((command) => {
      if (!back) return null;
      if (command[0] === "EVALSHA") { for (const key of keysOf(command)) renewed.add(key); }
      return goodAnswer(command);
    });
    await using postern = new Postern(targetOf(redis.port), { open });
    await postern.changed(1);
    const key = (client: number) => `conn client  ${client}`;
    assert.deepEqual(await postern.store.admit(holds(["stays", 1])), open ? null : { over: "store" });
    for (let client = 0; client < 70_000; client++) {
      await postern.store.admit(holds([key(client), 1]));
      postern.store.release([key(client)]);
    }
    back = true;
    await postern.changed(2);
    // The last ones are told, and so are those who are still there.
    assert.ok(renewed.has("postern:" + key(69_999)));
    if (open) assert.ok(renewed.has("postern:stays"));
    assert.ok(renewed.size <= 65_538, `${renewed.size}`);
  });
}

Deno.test("a name with any characters reaches the store as one argument", async () => {
  const keys: string[] = [];
  await using redis = new ScriptedRedis(hostileTo("admit", (command) => {
    keys.push(command[3]!);
    return list("ok", 0);
  }));
  await using postern = new Postern(targetOf(redis.port), { open: false });
  const logins = ["a\r\n$3\r\nb", "\u00e9", "\u{1f4ee}", "\ud800", "", "x".repeat(5_000)];
  for (const login of logins) assert.equal(await postern.store.admit(holds([`conn user ${login}`, 1])), null);
  const encoder = new TextEncoder();
  const sent = logins.map((login) => String.fromCharCode(...encoder.encode(`postern:conn user ${login}`)));
  assert.deepEqual(keys, sent);
  assert.deepEqual(postern.changes, []);
});
