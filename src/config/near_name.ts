/** The known name that `name` is most likely a slip of, or null. */
export function nearName(name: string, known: Iterable<string>): string | null {
  const wanted = normalise(name);
  // One slip in a short name, three in a long one: more would suggest names that have nothing in common.
  let least = Math.min(3, Math.floor(wanted.length / 3)) + 1;
  let nearest: string | null = null;
  for (const candidate of known) {
    const slips = countSlips(wanted, normalise(candidate), least);
    if (slips < least) {
      least = slips;
      nearest = candidate;
    }
  }
  return nearest;
}

function normalise(name: string): string {
  return name.toLowerCase().replaceAll("-", "_").slice(0, 64);
}

/** Insertions, deletions, replacements and swaps of neighbours between two words; stops counting at `enough`. */
function countSlips(a: string, b: string, enough: number): number {
  if (Math.abs(a.length - b.length) >= enough) return enough;
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(at(previous, j) + 1, at(row, j - 1) + 1, at(previous, j - 1) + (same ? 0 : 1));
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (swapped) cost = Math.min(cost, at(before, j - 2) + 1);
      row.push(cost);
    }
    before = previous;
    previous = row;
  }
  return at(previous, b.length);
}

function at(row: readonly number[], index: number): number {
  return row[index] ?? Number.POSITIVE_INFINITY;
}
