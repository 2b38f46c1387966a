/** Room for a usual request; one with a certificate or a long token takes more. */
const usualOctets = 2048;
/** The most room that is kept for the next request. */
const keptOctets = 16 * 1024;

const QUESTION_MARK = 0x3f;
const PERCENT = 0x25;
const HEX_DIGITS = new TextEncoder().encode("0123456789ABCDEF");

/**
 * The octets of one request after the other, written to the same place: an array made for each of them costs more than
 * what is written to it. {@linkcode clear} is due as soon as a request is not needed any more, as it holds credentials.
 */
export class RequestOctets {
  #octets = new Uint8Array(usualOctets);
  #length = 0;

  /** Adds octets as they are. */
  literal(octets: Uint8Array): void {
    this.#makeRoom(octets.length);
    this.#octets.set(octets, this.#length);
    this.#length += octets.length;
  }

  /** Adds a byte string that has to stay on its line: control octets other than tab as `%XX`. */
  fieldText(text: string): void {
    this.#makeRoom(3 * text.length);
    const octets = this.#octets;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if ((unit >= 0x20 && unit !== 0x7f) || unit === 0x09) {
        octets[at++] = unit <= 0xff ? unit : QUESTION_MARK;
      } else at = escapeOctet(octets, at, unit);
    }
    this.#length = at;
  }

  /** Adds a byte string with nginx's escaping of logins, passwords and certificates: 0x00-0x20 and `%` as `%XX`. */
  credential(text: string): void {
    this.#makeRoom(3 * text.length);
    const octets = this.#octets;
    let at = this.#length;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      if (unit > 0x20 && unit !== PERCENT) octets[at++] = unit <= 0xff ? unit : QUESTION_MARK;
      else at = escapeOctet(octets, at, unit);
    }
    this.#length = at;
  }

  /** Adds a whole number that is not negative, in decimal digits. */
  number(value: number): void {
    this.fieldText(value.toString());
  }

  /** The request so far, until {@linkcode clear}. */
  get written(): Uint8Array {
    return this.#octets.subarray(0, this.#length);
  }

  /** Makes ready for the next request, with nothing left of this one. */
  clear(): void {
    this.#octets.fill(0, 0, this.#length);
    this.#length = 0;
    if (this.#octets.length > keptOctets) this.#octets = new Uint8Array(usualOctets);
  }

  #makeRoom(octets: number): void {
    const needed = this.#length + octets;
    if (needed <= this.#octets.length) return;
    const former = this.#octets;
    this.#octets = new Uint8Array(Math.max(needed, 2 * former.length));
    this.#octets.set(former.subarray(0, this.#length));
    former.fill(0);
  }
}

function escapeOctet(octets: Uint8Array, at: number, octet: number): number {
  octets[at] = PERCENT;
  octets[at + 1] = HEX_DIGITS[octet >> 4]!;
  octets[at + 2] = HEX_DIGITS[octet & 0xf]!;
  return at + 3;
}
