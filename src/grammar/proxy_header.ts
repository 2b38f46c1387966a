/**
 * The PROXY protocol header of HAProxy, versions 1 and 2 (its doc/proxy-protocol.txt), as it is read in front of a
 * client's octets. Written by `proxy_v1.ts` and `proxy_v2.ts`.
 *
 * @module
 */
import { decodeLatin1 } from "../bytes/latin1.ts";
import { OctetQueue } from "../bytes/octet_queue.ts";
import type { ProxyFaultCode, ProxyHeader } from "./proxy_addresses.ts";
import { parseProxyV1, V1_MAX_OCTETS, V1_PREFIX } from "./proxy_v1.ts";
import { measureProxyV2, parseProxyV2, V2_FIXED_OCTETS, V2_SIGNATURE } from "./proxy_v2.ts";

export type { ProxyEndpoint, ProxyHeader, ProxyTlv } from "./proxy_addresses.ts";
export { formatProxyV1 } from "./proxy_v1.ts";
export { formatProxyV2 } from "./proxy_v2.ts";
export type { ProxyTls } from "./proxy_v2.ts";

const LF = 0x0a;

/** What came is no header. */
export interface ProxyHeaderFault {
  readonly kind: "fault";
  readonly code: ProxyFaultCode;
  /** What came: a byte string of at most 107 octets. */
  readonly text: string;
}

/** Reads one header. Feed again only after `next` has answered null. */
export class ProxyHeaderReader {
  readonly #octets = new OctetQueue();
  #result: ProxyHeader | ProxyHeaderFault | null = null;

  feed(bytes: Uint8Array): void {
    this.#octets.push(bytes);
  }

  /** The header, null for "need more", or a fault as soon as no header can begin so; the same each time after. */
  next(): ProxyHeader | null | ProxyHeaderFault {
    if (this.#result !== null || this.#octets.length === 0) return this.#result;
    const first = this.#octets.at(0);
    if (first === V1_PREFIX[0]) this.#result = this.#readV1();
    else if (first === V2_SIGNATURE[0]) this.#result = this.#readV2();
    else this.#result = this.#fail("malformed", 1);
    return this.#result;
  }

  /** Everything behind the header, or everything fed while there is none. */
  takeRest(): Uint8Array {
    return this.#octets.takeAll();
  }

  #readV1(): ProxyHeader | ProxyHeaderFault | null {
    const mismatch = this.#findMismatch(V1_PREFIX);
    if (mismatch >= 0) return this.#fail("malformed", mismatch + 1);
    const lineFeed = this.#octets.indexOf(LF, 0);
    if (lineFeed >= V1_MAX_OCTETS || (lineFeed < 0 && this.#octets.length >= V1_MAX_OCTETS)) {
      return this.#fail("too_long", V1_MAX_OCTETS);
    }
    if (lineFeed < 0) return null;
    const header = parseProxyV1(this.#octets.text(0, lineFeed + 1));
    if (header === null) return this.#fail("malformed", lineFeed + 1);
    this.#octets.drop(lineFeed + 1);
    return header;
  }

  #readV2(): ProxyHeader | ProxyHeaderFault | null {
    const mismatch = this.#findMismatch(V2_SIGNATURE);
    if (mismatch >= 0) return this.#fail("malformed", mismatch + 1);
    if (this.#octets.length < V2_FIXED_OCTETS) return null;
    const total = measureProxyV2(this.#octets.slice(0, V2_FIXED_OCTETS));
    if (typeof total === "string") return this.#fail(total, V2_FIXED_OCTETS);
    if (this.#octets.length < total) return null;
    const header = parseProxyV2(this.#octets.slice(0, total));
    if (typeof header === "string") return this.#fail(header, total);
    this.#octets.drop(total);
    return header;
  }

  /** Index of the first octet that differs from what a header begins with, or -1. */
  #findMismatch(beginning: Uint8Array): number {
    const length = Math.min(beginning.length, this.#octets.length);
    for (let i = 0; i < length; i++) {
      if (this.#octets.at(i) !== beginning[i]) return i;
    }
    return -1;
  }

  #fail(code: ProxyFaultCode, octets: number): ProxyHeaderFault {
    return {
      kind: "fault",
      code,
      text: decodeLatin1(this.#octets.slice(0, Math.min(octets, V1_MAX_OCTETS))),
    };
  }
}
