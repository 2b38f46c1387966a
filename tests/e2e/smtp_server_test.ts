import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";
import { SMTPServer, type SMTPServerOptions, type SMTPServerSession } from "smtp-server";
import { type CertificateFiles, type Directives, withEdge } from "../support/edge.ts";
import { messageContent } from "../support/message.ts";
import { accepted, type CalloutAnswer } from "../support/scripted_callout.ts";
import { testCertificates } from "../support/certificates.ts";
import { within } from "../support/patience.ts";

/** What the mail server saw. */
interface Seen {
  readonly logins: { readonly method: string; readonly user: string; readonly secret: string }[];
  readonly sessions: Pick<SMTPServerSession, "remoteAddress" | "remotePort" | "secure" | "user">[];
  octets: number;
}

async function withMailServer(
  options: SMTPServerOptions,
  body: (port: number, seen: Seen) => Promise<void>,
): Promise<void> {
  const seen: Seen = { logins: [], sessions: [], octets: 0 };
  const server = new SMTPServer({
    name: "mx.test",
    authOptional: true,
    disableReverseLookup: true,
    onAuth({ method, username, password, accessToken }, _session, done) {
      seen.logins.push({ method, user: username ?? "", secret: password ?? accessToken ?? "" });
      done(null, { user: username ?? "" });
    },
    onData(stream, session, done) {
      const { remoteAddress, remotePort, secure, user } = session;
      seen.sessions.push({ remoteAddress, remotePort, secure, user });
      stream.on("data", (chunk: Uint8Array) => seen.octets += chunk.length);
      stream.on("end", () => done(null, "sunk"));
    },
    ...options,
  });
  server.on("error", () => {}); // a connection that was broken off is no failure of the server
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  try {
    await body((server.server.address() as AddressInfo).port, seen);
  } finally {
    await within(
      new Promise<void>((resolve) => server.close(() => resolve())),
      () => "smtp-server does not close",
    );
  }
}

interface Case {
  readonly name: string;
  readonly server: (tls: { readonly key: string; readonly cert: string }) => SMTPServerOptions;
  readonly directives: (files: CertificateFiles) => Directives;
  readonly answer?: (port: number) => CalloutAnswer;
  readonly check: (seen: Seen) => void;
}

const CONTENT = messageContent(200_000);
const VERIFIED = (files: CertificateFiles): Directives => ({
  proxy_ssl_trusted_certificate: files.root,
  proxy_ssl_name: "mx.test",
});
const signedIn = (method: string, user: string, secret: string) => (seen: Seen) =>
  assert.deepEqual(seen.logins, [{ method, user, secret }]);

const CASES: readonly Case[] = [
  {
    name: "takes AUTH PLAIN with the client's credentials",
    server: () => ({ authMethods: ["PLAIN", "LOGIN"], hideSTARTTLS: true, allowInsecureAuth: true }),
    directives: () => ({ xclient: "off", proxy_smtp_auth: "on" }),
    check: signedIn("PLAIN", "alice", "se cret"),
  },
  {
    name: "takes AUTH LOGIN when it offers nothing else, with the callout's credentials",
    server: () => ({ authMethods: ["LOGIN"], hideSTARTTLS: true, allowInsecureAuth: true }),
    directives: () => ({ xclient: "off", proxy_smtp_auth: "on" }),
    answer: (port) => accepted(port, "Auth-User: box7", "Auth-Pass: inner"),
    check: signedIn("LOGIN", "box7", "inner"),
  },
  {
    name: "takes AUTH XOAUTH2 when the callout asks for it",
    server: () => ({ authMethods: ["PLAIN", "XOAUTH2"], hideSTARTTLS: true, allowInsecureAuth: true }),
    directives: () => ({ xclient: "off" }),
    answer: (port) => accepted(port, "Auth-Upstream-Auth: xoauth2", "Auth-Pass: to.ken"),
    check: signedIn("XOAUTH2", "alice", "to.ken"),
  },
  {
    name: "is reached over STARTTLS and verified",
    server: (tls) => ({ ...tls, authMethods: ["PLAIN"] }),
    directives: (files) => ({
      xclient: "off",
      proxy_smtp_auth: "on",
      proxy_ssl: "starttls",
      ...VERIFIED(files),
    }),
    check: (seen) => {
      signedIn("PLAIN", "alice", "se cret")(seen);
      assert.equal(seen.sessions[0]?.secure, true);
    },
  },
  {
    name: "is reached over implicit TLS and verified",
    server: (tls) => ({ ...tls, secure: true, authMethods: ["PLAIN"] }),
    directives: (files) => ({ xclient: "off", proxy_ssl: "on", ...VERIFIED(files) }),
    check: (seen) => assert.equal(seen.sessions[0]?.secure, true),
  },
  {
    name: "is reached over STARTTLS without verification when that is meant",
    server: (tls) => ({ ...tls }),
    directives: () => ({ xclient: "off", proxy_ssl: "starttls", proxy_ssl_verify: "off" }),
    check: (seen) => assert.equal(seen.sessions[0]?.secure, true),
  },
  {
    name: "learns from XCLIENT who the client is and as whom it signed in",
    server: () => ({ useXClient: true, hideSTARTTLS: true, allowInsecureAuth: true }),
    directives: () => ({ listen: "127.0.0.1:0 proxy_protocol", set_real_ip_from: "127.0.0.1" }),
    check: (seen) => {
      signedIn("XCLIENT", "alice", "")(seen);
      const [session] = seen.sessions;
      assert.deepEqual([session?.remoteAddress, session?.remotePort], ["192.0.2.7", 4711]);
    },
  },
  {
    name: "learns from the PROXY header who the client is",
    server: () => ({ useProxy: true, hideSTARTTLS: true }),
    directives: () => ({
      xclient: "off",
      listen: "127.0.0.1:0 proxy_protocol",
      set_real_ip_from: "127.0.0.1",
      proxy_protocol: "on",
    }),
    check: (seen) => {
      const [session] = seen.sessions;
      assert.deepEqual([session?.remoteAddress, session?.remotePort], ["192.0.2.7", 4711]);
    },
  },
];

for (const { name, server, directives, answer = accepted, check } of CASES) {
  Deno.test({
    name: `the mail server smtp-server ${name}`,
    // It closes its sockets after its own callbacks: their operations are not the test's.
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const { certificate, key } = (await testCertificates()).server;
      await withMailServer(server({ cert: certificate, key }), async (port, seen) => {
        await withEdge({
          callout: () => answer(port),
          servers: (files) => [directives(files)],
        }, async ({ connect, files }) => {
          await using client = await connect(0, { greeting: false });
          if ("set_real_ip_from" in directives(files)) {
            await client.send("PROXY TCP4 192.0.2.7 192.0.2.25 4711 25\r\n");
          }
          await client.expect(/^220 /);
          await client.command("EHLO client.example", /^250[ -]/);
          await client.authPlain("alice", "se cret", "235 2.0.0 OK");
          await client.sendMessage(CONTENT);
          await client.quit();
          check(seen);
          // smtp-server takes the dot stuffing away.
          assert.ok(seen.octets > 190_000 && seen.octets <= CONTENT.length);
        });
      });
    },
  });
}
