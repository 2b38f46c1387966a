/**
 * What the tests sign in with, and whether any of it stands where it must not: in what Postern prints, in its log
 * files and in its metrics.
 *
 * The scripted peers tell every password, token and response that they say or hear, so no test has to.
 *
 * @module
 */
import { encodeLatin1 } from "../../src/bytes/latin1.ts";
import { encodeXtext } from "../../src/bytes/xtext.ts";

/** What is shorter stands in texts by accident. */
const LEAST_UNITS = 6;

/** Secrets in all forms in which they could come to light. */
export class Secrets {
  /** Form to what it is a form of, for messages. */
  readonly #forms = new Map<string, string>();

  /** Whether nothing is looked for. */
  ignored = false;

  /** Forms that are searched for, as they are. */
  get forms(): readonly string[] {
    return [...this.#forms.keys()];
  }

  /** A password, token or digest, as a byte string. */
  speak(secret: string): void {
    if (secret.length < LEAST_UNITS) return;
    for (const form of formsOf(secret)) if (form.length >= LEAST_UNITS) this.#forms.set(form, secret);
  }

  /** A SASL response in base64, as it goes over the wire, with what is secret in it. */
  speakResponse(response: string): void {
    if (response.length < LEAST_UNITS) return;
    this.#forms.set(response, response);
    let decoded: string;
    try {
      decoded = atob(response);
    } catch {
      return; // garbage is not to be shown either, but holds nothing
    }
    // RFC 4616: authorization, authentication, password.
    const password = /^[^\0]*\0[^\0]*\0([^]*)$/.exec(decoded)?.[1];
    if (password !== undefined) this.speak(password);
    // deno-lint-ignore no-control-regex -- XOAUTH2 and RFC 7628 end a token so
    const token = /auth=Bearer ([^\x01]+)/i.exec(decoded)?.[1];
    if (token !== undefined) this.speak(token);
  }

  /** What a request to the auth service, or its answer, says in `Auth-Pass`, in the service's own escapes and without. */
  speakHeaders(head: string): void {
    for (const [, value] of head.matchAll(/^auth-pass:[ \t]*(.*?)[ \t]*\r?$/gim)) {
      this.speak(value!);
      this.speak(
        value!.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(parseInt(hex, 16))),
      );
    }
  }

  /** The secrets that stand in `text`, each with the form and its surroundings. */
  foundIn(text: string): string[] {
    const found: string[] = [];
    for (const [form, secret] of this.#forms) {
      const at = text.indexOf(form);
      if (at < 0) continue;
      const around = text.slice(Math.max(0, at - 60), at + form.length + 20);
      found.push(`${JSON.stringify(secret)} as ${JSON.stringify(form)} in ${JSON.stringify(around)}`);
    }
    return found;
  }
}

/** All that the scripted peers of this test file have said and heard. */
export const secrets = new Secrets();

function formsOf(secret: string): readonly string[] {
  const octets = encodeLatin1(secret);
  const text = new TextDecoder().decode(octets);
  return [
    secret,
    text,
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(text).slice(1, -1),
    encodeXtext(secret),
    encodeURIComponent(text),
    encodeURIComponent(text).toLowerCase(),
    Array.from(octets, (octet) => octet.toString(16).padStart(2, "0")).join(""),
    ...[0, 1, 2].map((offset) => base64Within(secret, offset)),
  ];
}

/** The part of a base64 text that `secret` alone decides, when `offset` octets stand before it in their group. */
function base64Within(secret: string, offset: number): string {
  const whole = btoa("\0".repeat(offset) + secret);
  return whole.slice(Math.ceil(offset * 8 / 6), Math.floor((offset + secret.length) * 8 / 6));
}
