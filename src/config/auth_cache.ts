/** The value of `auth_http_cache`. */
import { splitParameter } from "./addresses.ts";
import type { AuthCacheSettings } from "./settings.ts";
import { integer, time } from "./simple_types.ts";
import { Refusal, scalar, type ScalarType } from "./value_type.ts";
import { formatTime } from "./units.ts";

const DEFAULTS = { accepted: 60_000, refused: 5_000 };
/** A wrong answer must not keep a user out for long; a right one may be revoked. */
const MOST = { accepted: 86_400_000, refused: 60_000 };

/** `max=N [accepted=TIME] [refused=TIME]`. */
export const authCache: ScalarType<AuthCacheSettings> = scalar({
  expected: 'the size of the cache and times, such as "max=10000 accepted=1m refused=5s"',
  readText(text, reading) {
    const settings: { max: number | null; accepted: number; refused: number } = { max: null, ...DEFAULTS };
    for (const word of text.trim().split(/\s+/)) {
      const [name, value] = splitParameter(word);
      if (value === null) return new Refusal();
      if (name === "max") {
        const max = integer({ least: 1, most: 1_000_000 }).readText(value, reading);
        if (max instanceof Refusal) return new Refusal(`expected max=N from 1 to 1000000, found "${word}"`);
        settings.max = max;
      } else if (name === "accepted" || name === "refused") {
        const ms = time({ least: 0 }).readText(value, reading);
        if (ms instanceof Refusal || ms > MOST[name]) {
          return new Refusal(`expected ${name}=TIME of at most ${formatTime(MOST[name])}, found "${word}"`);
        }
        settings[name] = ms;
      } else return new Refusal();
    }
    const { max, accepted, refused } = settings;
    return max === null ? new Refusal() : { max, accepted, refused };
  },
  print: ({ max, accepted, refused }) =>
    `max=${max} accepted=${formatTime(accepted)} refused=${formatTime(refused)}`,
});
