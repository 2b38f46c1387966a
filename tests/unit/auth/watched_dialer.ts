import { createDialer } from "../../../src/io/dialer.ts";
import type { Connector, SocketAddress, Transport } from "../../../src/ports/transport.ts";

/** Connects for real, and knows the moment each connection was closed on our side. */
export class WatchedDialer implements Connector {
  readonly #dialer = createDialer();
  /** One promise for each connection that was opened. */
  readonly closings: Promise<void>[] = [];

  async connect(target: SocketAddress, signal: AbortSignal): Promise<Transport> {
    const transport = await this.#dialer.connect(target, signal);
    const close = transport.close.bind(transport);
    this.closings.push(
      new Promise((resolve) => {
        transport.close = () => {
          close();
          resolve();
        };
      }),
    );
    return transport;
  }

  startTls(): Promise<Transport> {
    return Promise.reject(new Error("No TLS in this test"));
  }
}
