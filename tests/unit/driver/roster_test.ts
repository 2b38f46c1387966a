import assert from "node:assert/strict";
import { Roster, type RosterMember } from "../../../src/driver/roster.ts";

interface Named extends RosterMember<Named> {
  readonly name: string;
}

function named(name: string): Named {
  return { name, previous: null, next: null };
}

/** Asserts that `roster` has `members`, in order, and nobody else. */
function assertHas(roster: Roster<Named>, members: readonly Named[]): void {
  assert.deepEqual(roster.all().map(({ name }) => name), members.map(({ name }) => name));
  assert.equal(roster.size, members.length);
  assert.equal(roster.first, members[0] ?? null);
  members.forEach((member, at) => {
    assert.equal(member.previous, members[at - 1] ?? null);
    assert.equal(member.next, members[at + 1] ?? null);
  });
}

Deno.test("Roster keeps the order of its members, whoever leaves", () => {
  for (const leaving of ["abc", "acb", "bac", "bca", "cab", "cba"]) {
    const roster = new Roster<Named>();
    let members = [..."abc"].map(named);
    for (const member of members) roster.add(member);
    assertHas(roster, members);
    for (const name of leaving) {
      const member = members.find((each) => each.name === name)!;
      roster.remove(member);
      members = members.filter((each) => each !== member);
      assertHas(roster, members);
      // It leads to nobody any more.
      assert.deepEqual([member.previous, member.next], [null, null]);
      const late = named(name.toUpperCase());
      members.push(late);
      roster.add(late);
      assertHas(roster, members);
    }
  }
});

Deno.test("Roster removes nobody who is not in it, and takes who comes back", () => {
  const roster = new Roster<Named>();
  const [only, other] = [named("only"), named("other")];
  roster.remove(only);
  assertHas(roster, []);
  roster.add(only);
  roster.remove(other);
  assertHas(roster, [only]);
  roster.remove(only);
  roster.remove(only);
  assertHas(roster, []);
  roster.add(other);
  roster.remove(only);
  roster.add(only);
  assertHas(roster, [other, only]);
});

Deno.test("Roster: who leaves while all are looked at disturbs nobody", () => {
  const roster = new Roster<Named>();
  const members = [..."abcd"].map(named);
  for (const member of members) roster.add(member);
  const seen: string[] = [];
  for (const member of roster.all()) {
    seen.push(member.name);
    for (const each of members) roster.remove(each);
  }
  assert.deepEqual(seen, ["a", "b", "c", "d"]);
  assertHas(roster, []);
});
