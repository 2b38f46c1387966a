import assert from "node:assert/strict";
import { HoldBook } from "../../../src/app/hold_book.ts";
import { ManualClock } from "../auth/manual_clock.ts";

function book() {
  const clock = new ManualClock();
  const told: string[] = [];
  const over: string[] = [];
  const subject = new HoldBook(clock, (users) => told.push(users.join(",")), (user) => over.push(user));
  return { clock, told, over, book: subject };
}

Deno.test("HoldBook tells of every change, and knows one user however he is written", () => {
  const { book: subject, told } = book();
  assert.equal(subject.hold("Ada", 60)?.user, "ada");
  subject.hold("ada", 60);
  subject.hold("bob", 60);
  assert.deepEqual(subject.holds.map(({ user }) => user), ["ada", "bob"]);
  assert.equal(subject.release("ADA"), true);
  assert.equal(subject.release("ada"), false);
  assert.deepEqual(told, ["ada", "ada", "ada,bob", "bob"]);
  subject.close();
});

Deno.test("HoldBook gives the octets of a name to the threads", () => {
  const { book: subject, told } = book();
  subject.hold("jürgen", 60);
  assert.deepEqual(told, ["j\u00c3\u00bcrgen"]);
  subject.close();
});

Deno.test("HoldBook releases a user when his time is over, which a second hold begins anew", () => {
  const { book: subject, clock, told, over } = book();
  subject.hold("Ada", 60);
  clock.advance(50_000);
  subject.hold("ada", 60);
  clock.advance(50_000);
  assert.equal(subject.holds.length, 1);
  clock.advance(10_000);
  assert.deepEqual(subject.holds, []);
  assert.deepEqual([told, over], [["ada", "ada", ""], ["ada"]]);
  assert.equal(clock.armed, 0);
});
