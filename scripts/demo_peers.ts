/**
 * The two services behind Postern in the demo: an auth service and a mail server, each small enough to be read.
 *
 * @module
 */
import { explain, say, step } from "./demo_screen.ts";

export const DEMO_LOGIN = "ada";
export const DEMO_PASSWORD = "correct-horse";

/** A service of the demo. */
export interface DemoService {
  readonly port: number;
  stop(): Promise<void>;
}

const SHOWN_HEADERS = [
  "auth-method",
  "auth-user",
  "auth-protocol",
  "auth-login-attempt",
  "client-ip",
  "auth-ssl",
  "auth-ssl-protocol",
];

/** Where a service listens; the kernel chooses where the port is 0. */
export interface DemoAddress {
  readonly hostname: string;
  readonly port: number;
}

/** Out of the reach of other machines. */
const ON_LOOPBACK: DemoAddress = { hostname: "127.0.0.1", port: 0 };

/** Answers Postern's question: who is this, and which mail server serves him? It is always `mailServer`. */
export function startAuthService(mailServer: DemoAddress, address: DemoAddress = ON_LOOPBACK): DemoService {
  const server = Deno.serve({ ...address, onListen: () => {} }, (request) => {
    step("Postern asks the auth service who this is");
    for (const name of SHOWN_HEADERS) {
      const value = request.headers.get(name);
      if (value !== null) say("postern", `${name}: ${value}`);
    }
    explain("(and auth-pass, which the demo does not show)");
    const good = request.headers.get("auth-user") === DEMO_LOGIN &&
      request.headers.get("auth-pass") === DEMO_PASSWORD;
    const headers: Record<string, string> = good
      ? { "Auth-Status": "OK", "Auth-Server": mailServer.hostname, "Auth-Port": String(mailServer.port) }
      : { "Auth-Status": "Invalid login or password", "Auth-Error-Code": "535 5.7.8", "Auth-Wait": "1" };
    for (const [name, value] of Object.entries(headers)) say("auth", `${name}: ${value}`);
    explain(good ? "The answer names the mail server." : "The client may try again.");
    return new Response(null, { headers });
  });
  return { port: server.addr.port, stop: () => server.shutdown() };
}

/** Takes messages and shows them. */
export function startMailServer(address: DemoAddress = ON_LOOPBACK): DemoService {
  const listener = Deno.listen({ ...address });
  const sessions = new Set<{ connection: Deno.TcpConn; done: Promise<void> }>();
  const loop = (async () => {
    for await (const connection of listener) {
      const session = { connection, done: Promise.resolve() };
      sessions.add(session);
      session.done = serveMail(connection).catch(() => {/* the peer left */}).finally(() => {
        closeQuietly(connection);
        sessions.delete(session);
      });
    }
  })();
  return {
    port: listener.addr.port,
    stop: async () => {
      listener.close();
      for (const { connection } of sessions) closeQuietly(connection);
      await Promise.all([...sessions].map((session) => session.done));
      await loop;
    },
  };
}

async function serveMail(connection: Deno.TcpConn): Promise<void> {
  step("Postern opens the mail server and says who the client is");
  const encoder = new TextEncoder();
  // A reply of several lines goes out at once: one by one, each would wait for the acknowledgement of that before.
  const answer = async (...reply: string[]) => {
    for (const line of reply) say("mail server", line);
    await connection.write(encoder.encode(reply.map((line) => line + "\r\n").join("")));
  };
  let inData = false;
  let speaker: "postern" | "relayed" = "postern";
  await answer("220 mx.internal ESMTP demo");
  for await (const line of lines(connection.readable)) {
    const verb = line.split(" ", 1)[0]!.toUpperCase();
    if (verb === "MAIL") speaker = "relayed";
    say(speaker, line);
    if (inData) {
      if (line !== ".") continue;
      inData = false;
      await answer("250 2.0.0 Accepted: only now has Postern's client been told so");
      continue;
    }
    if (verb === "EHLO") {
      await answer(
        "250-mx.internal",
        "250-XCLIENT NAME ADDR PORT PROTO HELO LOGIN DESTADDR DESTPORT",
        "250 8BITMIME",
      );
    } else if (verb === "XCLIENT") {
      explain("XCLIENT carries the client's address and login, for logs and policy behind Postern.");
      await answer("220 mx.internal ESMTP demo");
    } else if (verb === "DATA") {
      inData = true;
      await answer("354 Go on, end with a dot");
    } else if (verb === "QUIT") {
      await answer("221 2.0.0 Bye");
      return;
    } else {
      await answer("250 2.0.0 OK");
    }
  }
}

/** The lines of a stream, without their CRLF. */
export async function* lines(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  let rest = "";
  for await (
    const text of stream.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
  ) {
    const parts = (rest + text).split("\r\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

function closeQuietly(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // It was closed with its stream.
  }
}
