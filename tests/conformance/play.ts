/**
 * Plays one dialogue: the client, the callout service and the mail server, step by step.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { X509Certificate } from "node:crypto";
import type { Dialogue, Party, Step, TlsStep } from "./dialogue.ts";
import type { CertificateAndKey } from "../support/certificates.ts";
import { expand, type Variables } from "./placeholders.ts";
import { answerRequest, nextRequest, type ScriptedService } from "./scripted_services.ts";
import type { Endpoint, Subject } from "./subject.ts";
import { DialogueFailure, Wire } from "./wire.ts";

/** What a dialogue is played with. */
export interface Stage {
  readonly subject: Subject;
  readonly endpoint: Endpoint;
  readonly callout: ScriptedService;
  readonly upstream: ScriptedService;
  readonly variables: Variables;
  readonly certificates: ClientCertificates;
  readonly transcript: string[];
}

/** Certificates that a client may present, by the names that dialogues use. */
export interface ClientCertificates {
  readonly authority: string;
  readonly byName: Readonly<Record<string, CertificateAndKey>>;
}

/** Plays `steps` on `stage`. @throws {DialogueFailure} with the transcript when the subject went another way. */
export async function play(dialogue: Dialogue, steps: readonly Step[], stage: Stage): Promise<void> {
  const player = new Player(stage);
  let at = "connecting";
  try {
    await player.connect();
    for (const [index, step] of steps.entries()) {
      at = `step ${index + 1} of ${steps.length} (${step.kind})`;
      await player.perform(step);
    }
    at = "the end of the dialogue";
    player.refuseLeftovers();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const transcript = stage.transcript.map((line) => `    ${line}`).join("\n");
    throw new DialogueFailure(`${dialogue.spec} ${dialogue.name}\n  at ${at}: ${reason}\n${transcript}`, {
      cause: error,
    });
  } finally {
    await player.close();
  }
}

class Player {
  readonly #stage: Stage;
  #client: Wire | null = null;
  #upstream: Wire | null = null;
  #lastStepMs = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  async connect(): Promise<void> {
    const { endpoint, transcript, variables } = this.#stage;
    this.#client = await Wire.connect(endpoint, (line) => transcript.push(`client   ${line}`));
    variables.set("client_port", String(this.#client.localPort));
  }

  async perform(step: Step): Promise<void> {
    const begun = performance.now();
    await this.#step(step);
    this.#lastStepMs = performance.now() - begun;
  }

  /** Nothing may have come that no step asked for. */
  refuseLeftovers(): void {
    const { callout, upstream } = this.#stage;
    const left = [
      ["client", this.#client?.unread ?? ""],
      ["upstream", this.#upstream?.unread ?? ""],
      ["callout", callout.waiting > 0 ? "another connection" : ""],
      ["upstream", upstream.waiting > 0 ? "another connection" : ""],
    ].filter(([, what]) => what !== "");
    if (left.length > 0) throw new DialogueFailure(`expected nothing more, got ${JSON.stringify(left)}`);
  }

  async close(): Promise<void> {
    await this.#client?.close();
  }

  async #step(step: Step): Promise<void> {
    const { callout, upstream } = this.#stage;
    switch (step.kind) {
      case "send":
        return await (await this.#wire(step.party)).send(step.segments.map((text) => this.#expand(text)));
      case "expect":
        return await (await this.#wire(step.party)).expect(this.#expand(step.octets));
      case "match": {
        const groups = await (await this.#wire(step.party)).match(step.pattern);
        for (const [name, value] of Object.entries(groups)) this.#stage.variables.set(name, value);
        return;
      }
      case "tls":
        return await this.#startTls(step.tls);
      case "callout":
        return await this.#callout(step);
      case "accept":
        await this.#wire("upstream");
        return;
      case "none":
        return refuseConnection(step.service === "callout" ? callout : upstream, step.service);
      case "pause":
        return await new Promise((resolve) => setTimeout(resolve, step.ms));
      case "differ":
        return this.#differ(step.variables);
      case "took":
        return this.#took(step.atLeastMs, step.atMostMs);
      case "end":
        return await (await this.#wire(step.party)).end();
      case "half_close":
        return (await this.#wire(step.party)).halfClose();
      case "reset":
        return (await this.#wire(step.party)).reset();
      case "close":
        return await (await this.#wire(step.party)).close();
    }
  }

  async #wire(party: Party): Promise<Wire> {
    if (party === "client") return this.#client!;
    return this.#upstream ??= await this.#stage.upstream.next("a connection to the mail server");
  }

  async #startTls(step: TlsStep): Promise<void> {
    const { certificates, variables } = this.#stage;
    const own = step.certificate === null ? null : certificates.byName[step.certificate];
    if (own === undefined) throw new TypeError(`no certificate "${step.certificate}"`);
    const handshake = this.#client!.startTls({
      ca: certificates.authority,
      servername: step.serverName,
      ...(own === null ? {} : { cert: own.certificate, key: own.key }),
      ...(step.alpn.length === 0 ? {} : { ALPNProtocols: [...step.alpn] }),
      ...(step.version === null ? {} : { minVersion: step.version, maxVersion: step.version }),
    });
    if (step.refused) return await refusedHandshake(handshake);
    const { protocol, cipher } = await handshake;
    variables.set("tls_protocol", protocol).set("tls_cipher", cipher);
    if (own !== null) describeCertificate(own, variables);
  }

  async #callout(step: Step & { readonly kind: "callout" }): Promise<void> {
    const { callout, subject } = this.#stage;
    const { lines, wire } = await nextRequest(callout);
    const request = step.verbatim ? lines : subject.asNginxSends(lines);
    if (step.request !== null) sameLines(request, step.request.map((line) => this.#expand(line)));
    for (const line of step.has.map((text) => this.#expand(text))) {
      if (!request.includes(line)) {
        throw new DialogueFailure(`expected ${JSON.stringify(line)} in ${show(request)}`);
      }
    }
    for (const name of step.lacks) {
      if (request.some((line) => line.startsWith(`${name}:`))) {
        throw new DialogueFailure(`expected no ${name} in ${show(request)}`);
      }
    }
    const { answer } = step;
    await answerRequest(
      wire,
      answer.kind === "octets"
        ? { ...answer, segments: answer.segments.map((segment) => this.#expand(segment)) }
        : answer,
    );
  }

  #took(atLeastMs: number, atMostMs: number): void {
    if (this.#lastStepMs >= atLeastMs && this.#lastStepMs <= atMostMs) return;
    throw new DialogueFailure(
      `expected the step before to take ${atLeastMs} to ${atMostMs} ms, it took ${
        Math.round(this.#lastStepMs)
      } ms`,
    );
  }

  #differ(names: readonly string[]): void {
    const values = names.map((name) => this.#stage.variables.get(name));
    if (new Set(values).size !== names.length) {
      throw new DialogueFailure(`expected ${names.join(" and ")} to differ`);
    }
  }

  #expand(text: string): string {
    return expand(text, this.#stage.variables);
  }
}

function refuseConnection(service: ScriptedService, name: string): void {
  if (service.waiting > 0) throw new DialogueFailure(`expected no connection to the ${name}`);
}

async function refusedHandshake(handshake: Promise<unknown>): Promise<void> {
  const failed = await handshake.then(() => false, (error) => {
    if (error instanceof DialogueFailure) return true;
    throw error;
  });
  if (!failed) throw new DialogueFailure("expected the TLS handshake to fail");
}

function sameLines(came: readonly string[], expected: readonly string[]): void {
  const length = Math.max(came.length, expected.length);
  for (let index = 0; index < length; index++) {
    if (came[index] !== expected[index]) {
      throw new DialogueFailure(
        `expected line ${index + 1} of the request to be ${JSON.stringify(expected[index] ?? null)}, got ` +
          `${JSON.stringify(came[index] ?? null)} in ${show(came)}`,
      );
    }
  }
}

function show(lines: readonly string[]): string {
  return lines.map((line) => `\n      ${JSON.stringify(line)}`).join("");
}

/** What nginx tells the callout of a certificate. */
function describeCertificate({ certificate }: CertificateAndKey, variables: Variables): void {
  const x509 = new X509Certificate(certificate);
  const body = Buffer.from(x509.raw).toString("base64").replace(/(.{64})(?=.)/g, "$1\n");
  const pem = `-----BEGIN CERTIFICATE-----\n${body}\n-----END CERTIFICATE-----\n`;
  variables
    .set("certificate_serial", x509.serialNumber)
    .set("certificate_fingerprint", x509.fingerprint.replaceAll(":", "").toLowerCase())
    .set("certificate_escaped", pem.replaceAll(" ", "%20").replaceAll("\n", "%0A"));
}
