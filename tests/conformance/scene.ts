/**
 * One dialogue with everything that it is played with.
 *
 * @module
 */
import type { TestCertificates } from "../support/certificates.ts";
import type { ConfigurationRefused, Dialogue, Directives, Step } from "./dialogue.ts";
import { readDifferences } from "./dialogue_reader.ts";
import { expand, type Variables } from "./placeholders.ts";
import { type ClientCertificates, play } from "./play.ts";
import { ScriptedNames } from "./scripted_names.ts";
import { ScriptedService } from "./scripted_services.ts";
import type { Endpoint, ServerPlan, Subject } from "./subject.ts";

/** What holds for every server unless the dialogue says otherwise; an empty value takes the directive away. */
const BASE: Directives = {
  server_name: "mx.test",
  auth_http: "127.0.0.1:${callout_port}/auth",
  xclient: "off",
};
/** How one dialogue went. */
export type Outcome =
  | { readonly kind: "passed"; readonly dialogue: Dialogue; readonly byDifference: boolean }
  | { readonly kind: "skipped"; readonly dialogue: Dialogue; readonly reason: string }
  | { readonly kind: "failed"; readonly dialogue: Dialogue; readonly message: string };

/** One dialogue with its services, ready to be played. */
export class Scene {
  readonly dialogue: Dialogue;
  readonly socketPath: string;
  readonly #subject: Subject;
  readonly #variables: Variables;
  readonly #services: { callout: ScriptedService; upstream: ScriptedService; names: ScriptedNames };
  readonly #transcript: string[];

  private constructor(
    dialogue: Dialogue,
    subject: Subject,
    parts: {
      socketPath: string;
      variables: Variables;
      services: { callout: ScriptedService; upstream: ScriptedService; names: ScriptedNames };
      transcript: string[];
    },
  ) {
    this.dialogue = dialogue;
    this.socketPath = parts.socketPath;
    this.#subject = subject;
    this.#variables = parts.variables;
    this.#services = parts.services;
    this.#transcript = parts.transcript;
  }

  /** Text with which the subject refuses the configuration; null when it is to take it. */
  get refusal(): string | null {
    const { expected } = expectation(this.dialogue, this.#subject);
    return isRefusal(expected) ? expected.refused : null;
  }

  /** Opens the services that the dialogue needs; `close` ends them. */
  static async create(
    dialogue: Dialogue,
    subject: Subject,
    { directory, index, files }: {
      directory: string;
      index: number;
      files: Readonly<Record<string, string>>;
    },
  ): Promise<Scene> {
    const transcript: string[] = [];
    const callout = new ScriptedService((line) => transcript.push(`callout  ${line}`));
    const upstream = new ScriptedService((line) => transcript.push(`upstream ${line}`));
    const names = new ScriptedNames(dialogue.names);
    const calloutSocket = `${directory}/callout_${index}.sock`;
    const upstreamSocket = `${directory}/upstream_${index}.sock`;
    const variables: Variables = new Map(Object.entries({
      upstream_socket: upstreamSocket,
      callout_port: String(await callout.listen({ host: "127.0.0.1" })),
      callout_socket: calloutSocket,
      callout6_port: String(await callout.listen({ host: "::1" })),
      upstream_port: String(await upstream.listen({ host: "127.0.0.1" })),
      upstream6_port: String(await upstream.listen({ host: "::1" })),
      names_port: String(names.port),
      ...files,
    }));
    await callout.listen({ path: calloutSocket });
    await upstream.listen({ path: upstreamSocket });
    const services = { callout, upstream, names };
    return new Scene(dialogue, subject, {
      socketPath: `${directory}/listen_${index}.sock`,
      variables,
      services,
      transcript,
    });
  }

  /** The server that a subject is to have for the dialogue. */
  serverPlan(endpoint: Endpoint): ServerPlan {
    const { config, posternConfig, listen } = this.dialogue;
    const own = this.#subject.ways === "postern" ? posternConfig : {};
    const directives: Record<string, string | readonly string[]> = {};
    for (const [name, value] of Object.entries({ ...BASE, ...config, ...own })) {
      if (value === "") continue;
      directives[name] = typeof value === "string"
        ? expand(value, this.#variables)
        : value.map((one) => expand(one, this.#variables));
    }
    return { endpoint, ssl: listen.ssl, proxyProtocol: listen.proxyProtocol, directives };
  }

  /** Plays the dialogue and ends the services. */
  async run(endpoint: Endpoint, certificates: TestCertificates): Promise<Outcome> {
    const { dialogue } = this;
    if ("port" in endpoint) this.#variables.set("server_port", String(endpoint.port));
    const { expected, byDifference } = expectation(dialogue, this.#subject);
    try {
      if (isRefusal(expected)) throw new TypeError("a refused configuration has no dialogue");
      await play(dialogue, expected, {
        subject: this.#subject,
        endpoint,
        callout: this.#services.callout,
        upstream: this.#services.upstream,
        variables: this.#variables,
        certificates: clientCertificates(certificates),
        transcript: this.#transcript,
      });
      return { kind: "passed", dialogue, byDifference };
    } catch (error) {
      return { kind: "failed", dialogue, message: error instanceof Error ? error.message : String(error) };
    } finally {
      await this.close();
    }
  }

  /** Ends the services. Idempotent. */
  async close(): Promise<void> {
    await this.#services.callout.close();
    await this.#services.upstream.close();
    await this.#services.names.close();
  }
}

const KEPT = new Set(readDifferences().flatMap(({ id, kept }) => kept === null ? [] : [id]));

/** Steps that hold for `subject`, or that it refuses the configuration. */
function expectation(
  { difference, expectPostern, expectCompat, steps }: Dialogue,
  { ways }: Subject,
): { expected: readonly Step[] | ConfigurationRefused; byDifference: boolean } {
  if (ways === "compat" && expectCompat !== null) return { expected: expectCompat, byDifference: true };
  const differs = ways === "postern" || (ways === "compat" && difference !== null && KEPT.has(difference));
  if (!differs || expectPostern === null) return { expected: steps, byDifference: false };
  return { expected: expectPostern, byDifference: true };
}

/** Whether a subject is to refuse the configuration of a dialogue. */
function isRefusal(expected: readonly Step[] | ConfigurationRefused): expected is ConfigurationRefused {
  return "refused" in expected;
}

function clientCertificates(made: TestCertificates): ClientCertificates {
  return {
    authority: made.root.certificate,
    byName: {
      client: made.client,
      expired: made.expiredClient,
      stranger: made.strangerClient,
      revoked: made.revokedClient,
      intermediate: made.clientOfIntermediate,
    },
  };
}
