/**
 * A name server on loopback that answers as a dialogue says.
 *
 * @module
 */

/** Record types that dialogues use, by their codes (RFC 1035 §3.2.2, RFC 3596). */
const TYPES: Readonly<Record<number, "A" | "PTR" | "AAAA">> = { 1: "A", 12: "PTR", 28: "AAAA" };
const RESPONSE_CODES = { NOERROR: 0, SERVFAIL: 2, NXDOMAIN: 3, REFUSED: 5 };
const HEADER_OCTETS = 12;

/** Answers questions over UDP. The answers `NXDOMAIN`, `SERVFAIL`, `REFUSED` and `EMPTY` are what they say. */
export class ScriptedNames {
  readonly #socket: Deno.DatagramConn;
  readonly #answers: Readonly<Record<string, string | readonly string[]>>;
  readonly #serving: Promise<void>;
  #closed = false;

  constructor(answers: Readonly<Record<string, string | readonly string[]>>) {
    this.#answers = answers;
    this.#socket = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    this.#serving = this.#serve();
  }

  /** Port on 127.0.0.1. */
  get port(): number {
    return (this.#socket.addr as Deno.NetAddr).port;
  }

  /** Stops answering. Idempotent. */
  async close(): Promise<void> {
    if (!this.#closed) this.#socket.close();
    this.#closed = true;
    await this.#serving;
  }

  async #serve(): Promise<void> {
    for await (const [question, from] of this.#socket) {
      await this.#socket.send(answerTo(question, this.#answers), from);
    }
  }
}

function answerTo(
  question: Uint8Array,
  answers: Readonly<Record<string, string | readonly string[]>>,
): Uint8Array {
  const labels: string[] = [];
  let at = HEADER_OCTETS;
  for (let length = question[at]!; length > 0; length = question[at]!) {
    labels.push(new TextDecoder().decode(question.subarray(at + 1, at + 1 + length)));
    at += 1 + length;
  }
  const code = question[at + 2]!;
  const end = at + 5;
  // Names that a dialogue does not mention have no records of that type but may exist: so no NXDOMAIN by accident.
  const found = answers[`${TYPES[code]} ${labels.join(".").toLowerCase()}`] ?? "EMPTY";
  const failed = typeof found === "string" && found in RESPONSE_CODES;
  const records = failed || found === "EMPTY" ? [] : typeof found === "string" ? [found] : found;
  const rcode = failed ? RESPONSE_CODES[found as keyof typeof RESPONSE_CODES] : RESPONSE_CODES.NOERROR;
  // Id of the question; QR, RD, RA; one question; the records; nothing else.
  const header = [question[0]!, question[1]!, 0x81, 0x80 | rcode, 0, 1, 0, records.length, 0, 0, 0, 0];
  const body = records.flatMap((record) => {
    const data = recordData(TYPES[code] ?? "A", record);
    // A pointer to the name of the question, the type, class IN, 60 seconds.
    return [0xc0, HEADER_OCTETS, 0, code, 0, 1, 0, 0, 0, 60, data.length >> 8, data.length & 0xff, ...data];
  });
  return Uint8Array.from([...header, ...question.subarray(HEADER_OCTETS, end), ...body]);
}

function recordData(type: "A" | "PTR" | "AAAA", record: string): number[] {
  switch (type) {
    case "A":
      return record.split(".").map(Number);
    case "AAAA":
      // Written in full, eight groups: dialogues need no more.
      return record.split(":").flatMap((
        group,
      ) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff]);
    case "PTR":
      return [
        ...record.split(".").flatMap((label) => [label.length, ...new TextEncoder().encode(label)]),
        0,
      ];
  }
}
