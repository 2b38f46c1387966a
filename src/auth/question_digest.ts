import { Buffer } from "node:buffer";
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { decodeLatin1, encodeLatin1 } from "../bytes/latin1.ts";
import type { AuthQuestion } from "../ports/auth_backend.ts";

const CIPHER = "aes-256-gcm";
const IV_OCTETS = 12;
const TAG_OCTETS = 16;

/**
 * Names questions without keeping anything of them: by a keyed hash, whose secret is made anew in every worker and
 * known to nobody. What an answer holds in secret is kept so that only the same question opens it again.
 */
export class QuestionDigests {
  readonly #nameKey = randomBytes(32);
  readonly #sealKey = randomBytes(32);

  /** The name of a question: the same for questions with the same facts, and for no others. */
  name(question: AuthQuestion): string {
    return createHmac("sha256", this.#nameKey).update(factsOf(question)).digest("base64");
  }

  /** Encrypts a password of the answer, a byte string, with what only the question knows. */
  seal(question: AuthQuestion, secret: string): Uint8Array {
    const iv = randomBytes(IV_OCTETS);
    const cipher = createCipheriv(CIPHER, this.#keyOf(question), iv);
    const sealed = [cipher.update(encodeLatin1(secret)), cipher.final()];
    return Buffer.concat([iv, ...sealed, cipher.getAuthTag()]);
  }

  /** The inverse of `seal`. */
  open(question: AuthQuestion, sealed: Uint8Array): string {
    const decipher = createDecipheriv(CIPHER, this.#keyOf(question), sealed.subarray(0, IV_OCTETS));
    const end = sealed.length - TAG_OCTETS;
    decipher.setAuthTag(sealed.subarray(end));
    const opened = [decipher.update(sealed.subarray(IV_OCTETS, end)), decipher.final()];
    return decodeLatin1(Buffer.concat(opened));
  }

  #keyOf(question: AuthQuestion): Uint8Array {
    return createHmac("sha256", this.#sealKey).update(factsOf(question)).digest();
  }
}

/**
 * All that the service is told and may decide by. Left out is what is another one for each connection: the client's
 * port, also in a PROXY header, and the id of the session.
 */
function factsOf(question: AuthQuestion): string {
  const { client, server, proxyProtocol, envelope, tls } = question;
  // JSON keeps the parts apart: no two lists of texts are written alike.
  return JSON.stringify([
    question.method,
    question.user,
    question.secret,
    question.salt,
    question.attempt,
    client.host,
    question.clientHost,
    server.kind === "tcp" ? [server.host, server.port] : [server.path],
    proxyProtocol &&
    [proxyProtocol.source.host, proxyProtocol.destination.host, proxyProtocol.destination.port],
    envelope && [envelope.helo, envelope.mail, envelope.rcpt],
    tls && [tls.protocol, tls.cipher, tls.serverName, tls.verdict, tls.peer?.pem ?? null],
  ]);
}
