/** What comes next within the framing. */
type Place = "size" | "extension" | "data" | "data_end" | "line_start" | "trailer" | "ended" | "malformed";

/** Hexadecimal digits of a chunk's size: seven allow 256 MiB, far above the bound on a body. */
const maxSizeDigits = 7;

const LF = 0x0a;
const CR = 0x0d;

/** Finds the end of a chunked body (RFC 9112 §7.1) and keeps none of it. */
export class ChunkedBody {
  #place: Place = "size";
  #size = 0;
  #digits = 0;

  /** Whether the last octet of the body was taken. */
  get ended(): boolean {
    return this.#place === "ended";
  }

  /** Whether the octets were no chunked body. */
  get malformed(): boolean {
    return this.#place === "malformed";
  }

  /** Takes octets from index `from` on. Returns the index of the first one that does not belong to the body. */
  feed(bytes: Uint8Array, from: number): number {
    let at = from;
    while (at < bytes.length && this.#place !== "ended" && this.#place !== "malformed") {
      if (this.#place === "data") {
        const taken = Math.min(this.#size, bytes.length - at);
        this.#size -= taken;
        at += taken;
        if (this.#size === 0) this.#place = "data_end";
      } else {
        this.#place = this.#after(this.#place, bytes[at]!);
        at++;
      }
    }
    return at;
  }

  #after(place: Exclude<Place, "data" | "ended" | "malformed">, octet: number): Place {
    switch (place) {
      case "size":
        return this.#afterSize(octet);
      case "extension":
        return octet === LF ? this.#afterSizeLine() : "extension";
      case "data_end":
        if (octet === CR) return "data_end";
        if (octet !== LF) return "malformed";
        this.#digits = 0;
        return "size";
      case "line_start":
        if (octet === CR) return "line_start";
        return octet === LF ? "ended" : "trailer";
      case "trailer":
        return octet === LF ? "line_start" : "trailer";
    }
  }

  #afterSize(octet: number): Place {
    const digit = hexDigit(octet);
    if (digit >= 0) {
      this.#size = this.#size * 16 + digit;
      return ++this.#digits <= maxSizeDigits ? "size" : "malformed";
    }
    if (this.#digits === 0) return "malformed";
    if (octet === LF) return this.#afterSizeLine();
    return octet === CR || octet === 0x3b || octet === 0x20 || octet === 0x09 ? "extension" : "malformed";
  }

  #afterSizeLine(): Place {
    return this.#size === 0 ? "line_start" : "data";
  }
}

function hexDigit(octet: number): number {
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30;
  const lower = octet | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
