import type { Clock, Deadline } from "../ports/clock.ts";
import type { Log } from "../ports/telemetry.ts";
import type { TlsAcceptor, Transport } from "../ports/transport.ts";
import {
  type CertificateExpiry,
  type ReadTls,
  readTls,
  stateOfFiles,
  type TlsSettings,
} from "./tls_files.ts";

/** What watching needs. */
export interface WatchPorts {
  readonly clock: Clock;
  readonly log: Log;
}

/**
 * TLS towards clients with certificates that are renewed while it runs (`ssl_certificate_watch`): the files are looked
 * at again and again, and when they have changed they are read. Handshakes that begin then get the new certificate.
 * What cannot be used, as a key that is not written yet, leaves the old one in force.
 */
export class WatchedTls implements TlsAcceptor {
  readonly #settings: TlsSettings;
  readonly #ports: WatchPorts;
  readonly #look: Deadline;
  #read: ReadTls;
  /** Of the files when they were read last, whether they could be used or not. */
  #state: string;
  #closed = false;

  private constructor(settings: TlsSettings, ports: WatchPorts, read: ReadTls, state: string) {
    this.#settings = settings;
    this.#ports = ports;
    this.#read = read;
    this.#state = state;
    this.#look = ports.clock.deadline(() => void this.#watch());
    this.#arm();
  }

  /**
   * Reads the files and begins to watch them.
   * @throws {Error} when they cannot be used.
   */
  static async open(settings: TlsSettings, ports: WatchPorts): Promise<WatchedTls> {
    // Before they are read: what changes meanwhile is seen at the first look.
    const state = await stateOfFiles(settings);
    return new WatchedTls(settings, ports, await readTls(settings), state);
  }

  /** Those in force. */
  get certificates(): readonly CertificateExpiry[] {
    return this.#read.certificates;
  }

  accept(plain: Transport): Promise<Transport> {
    return this.#read.acceptor.accept(plain);
  }

  knows(serverName: string): boolean {
    return this.#read.acceptor.knows(serverName);
  }

  /** Ends the watch; handshakes go on. */
  close(): void {
    this.#closed = true;
    this.#look.disarm();
  }

  #arm(): void {
    const { ssl_certificate_watch } = this.#settings;
    if (ssl_certificate_watch !== null && !this.#closed) this.#look.arm(ssl_certificate_watch);
  }

  async #watch(): Promise<void> {
    const state = await stateOfFiles(this.#settings);
    if (state !== this.#state && !this.#closed) {
      this.#state = state;
      await this.#renew();
    }
    this.#arm();
  }

  async #renew(): Promise<void> {
    const [first] = this.#settings.ssl_certificates;
    const certificate = first?.certificate ?? "";
    try {
      this.#read = await readTls(this.#settings);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const message = `changed files of TLS cannot be used, the old ones stay in force: ${reason}`;
      this.#ports.log.event("error", "certificate_not_renewed", message, null, { certificate, reason });
      return;
    }
    const expires = Math.min(...this.#read.certificates.map(({ notAfter }) => notAfter));
    const fields = { certificate, expires: new Date(expires * 1000).toISOString() };
    this.#ports.log.event("notice", "certificate_renewed", "changed files of TLS are in force", null, fields);
  }
}
