/**
 * The mail client of the demo.
 *
 * @module
 */
import { DEMO_LOGIN, DEMO_PASSWORD } from "./demo_peers.ts";
import { explain, say, step } from "./demo_screen.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Sends one message through the Postern on `port`, with STARTTLS and AUTH PLAIN. */
export async function sendDemoMessage(port: number, trustedCertificate: string): Promise<void> {
  step(`A mail client connects to Postern on 127.0.0.1:${port}`);
  const plain = await Deno.connect({ hostname: "127.0.0.1", port });
  await expectReply(plain, "220");
  await exchange(plain, "EHLO laptop.example.com", "250");
  explain('"starttls: only": AUTH is not even offered before TLS.');
  await exchange(plain, "STARTTLS", "220");
  step("The connection is encrypted, all that was said in clear is forgotten");
  const secure = await Deno.startTls(plain, { hostname: "localhost", caCerts: [trustedCertificate] });
  try {
    await secure.handshake();
    explain("TLS handshake done.");
    await exchange(secure, "EHLO laptop.example.com", "250");
    const response = btoa(`\0${DEMO_LOGIN}\0${DEMO_PASSWORD}`);
    await send(secure, `AUTH PLAIN ${response}`, "AUTH PLAIN ****");
    await expectReply(secure, "235");
    step("From here on Postern relays octets between the client and the mail server");
    await exchange(secure, "MAIL FROM:<ada@example.com>", "250");
    await exchange(secure, "RCPT TO:<grace@example.com>", "250");
    await exchange(secure, "DATA", "354");
    await send(secure, "Subject: Hello through Postern\r\n\r\nIt works.\r\n.");
    await expectReply(secure, "250");
    explain(
      "This 250 is the mail server's own: Postern accepts nothing that the mail server has not accepted.",
    );
    await exchange(secure, "QUIT", "221");
  } finally {
    secure.close();
  }
}

async function exchange(connection: Deno.Conn, line: string, code: string): Promise<void> {
  await send(connection, line);
  await expectReply(connection, code);
}

async function send(connection: Deno.Conn, text: string, shown = text): Promise<void> {
  for (const line of shown.split("\r\n")) say("client", line);
  let bytes = encoder.encode(text + "\r\n");
  while (bytes.length > 0) bytes = bytes.subarray(await connection.write(bytes));
}

/** Reads one reply, shows it, and checks its code. */
async function expectReply(connection: Deno.Conn, code: string): Promise<void> {
  const buffer = new Uint8Array(1024);
  let text = "";
  while (!/^\d{3}(?: .*)?\r\n$/m.test(text)) {
    const count = await connection.read(buffer);
    if (count === null) throw new Error(`Postern closed the connection, expected ${code}`);
    text += decoder.decode(buffer.subarray(0, count));
  }
  for (const line of text.trimEnd().split("\r\n")) say("postern", line);
  if (!text.startsWith(code)) throw new Error(`expected ${code}, got: ${text}`);
}
