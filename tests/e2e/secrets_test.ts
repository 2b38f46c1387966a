import assert from "node:assert/strict";
import type { DialogueClient } from "../support/dialogue_client.ts";
import { type Directives, type Edge, withEdge } from "../support/edge.ts";
import {
  accepted,
  type CalloutAnswer,
  type CalloutRequest,
  httpAnswer,
  never,
  refused,
} from "../support/scripted_callout.ts";
import { ScriptedUpstream, type UpstreamDialogue } from "../support/scripted_upstream.ts";
import { secrets } from "../support/secrets.ts";

const PASSWORD = "Corr3ct+horse=battery";
const OTHER_PASSWORD = "Tr0ub4dor and-3%";
const TOKEN = "ya29.bearer-token_that~is+long/enough=";
const ADMIN_TOKEN = "adm1n-token-of-the-operator";

/** How the auth service answers whom; what it says of a password must not get into a log either. */
function decide(request: CalloutRequest, upstream: number): CalloutAnswer | Promise<CalloutAnswer> {
  const secret = request.header("Auth-Pass") ?? "";
  switch (request.header("Auth-User")) {
    case "refused":
      return refused("Invalid login or password", "Auth-Wait: 1");
    case "echo":
      return refused(`${secret} is not the password`, "Auth-Wait: 1");
    case "broken":
      return "HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n";
    case "babbling":
      return `${secret}\r\n\r\n`;
    case "confused":
      return httpAnswer("Auth-Status: OK", `Auth-Server: ${secret}`, `Auth-Port: ${secret}`);
    case "slow":
      return never(request);
    case "expired":
      return refused("Token expired", "Auth-Error-SASL: eyJzdGF0dXMiOiI0MDEifQ==", "Auth-Wait: 1");
    case "other":
      return accepted(upstream, `Auth-Pass: ${OTHER_PASSWORD}`);
    default:
      return accepted(upstream);
  }
}

/** Mail servers that take the credentials, quote them, wait for ever, or go away; by the login that they hear. */
async function mailServer(peer: UpstreamDialogue): Promise<void> {
  await peer.reply("220 mx");
  await peer.answer(/^(EHLO|HELO) /, "250-mx", "250 AUTH PLAIN LOGIN XOAUTH2 OAUTHBEARER");
  const auth = await peer.readLine();
  const [, , response = ""] = auth.split(" ");
  secrets.speakResponse(response);
  const said = atob(response);
  if (said.includes("quoted")) {
    return await peer.reply(`535 5.7.8 I know no "${auth}" and no ${said.slice(-12)}`);
  }
  if (said.includes("silent")) return void await peer.readToEnd();
  if (said.includes("gone")) return;
  await peer.reply("235 2.7.0 ok");
  await peer.readToEnd();
}

const oauth = (user: string) => btoa(`n,a=${user},\x01auth=Bearer ${TOKEN}\x01\x01`);
const xoauth2 = (user: string) => btoa(`user=${user}\x01auth=Bearer ${TOKEN}\x01\x01`);

/** Conversations from the greeting to the end; the last reply is what a user sees. */
const TRIALS: Readonly<Record<string, (client: DialogueClient) => Promise<unknown>>> = {
  "PLAIN, taken": (client) => client.authPlain("alice", PASSWORD),
  "PLAIN, taken with another password": (client) => client.authPlain("other", PASSWORD),
  "PLAIN after a challenge": async (client) => {
    await client.command("AUTH PLAIN", "334 ");
    await client.command(btoa(`admin\0alice\0${PASSWORD}`), /^235 /);
  },
  "LOGIN, taken": (client) => client.authLogin("alice", PASSWORD),
  "LOGIN with the name at once": async (client) => {
    await client.command(`AUTH LOGIN ${btoa("alice")}`, /^334 /);
    await client.command(btoa(PASSWORD), /^235 /);
  },
  "XOAUTH2, taken": (client) => client.command(`AUTH XOAUTH2 ${xoauth2("alice")}`, /^235 /),
  "OAUTHBEARER, taken": (client) => client.command(`AUTH OAUTHBEARER ${oauth("alice")}`, /^235 /),
  "CRAM-MD5": (client) => client.authCramMd5("refused", PASSWORD, /^535 /),
  "a refusal": (client) => client.authPlain("refused", PASSWORD, /^535 /),
  "a refusal that repeats the password": (client) => client.authPlain("echo", PASSWORD, /^535 /),
  "a refused token": async (client) => {
    await client.command(`AUTH OAUTHBEARER ${oauth("expired")}`, /^334 /);
    await client.command("AQ==", /^535 /);
  },
  "a service with an error": (client) => client.authPlain("broken", PASSWORD, /^451 /),
  "a service that answers with the password": (client) => client.authPlain("babbling", PASSWORD, /^451 /),
  "a service that names the password as server": (client) => client.authPlain("confused", PASSWORD, /^451 /),
  "a mail server that quotes it": (client) => client.authPlain("quoted", PASSWORD, /^(451|535) /),
  "a mail server that goes away": (client) => client.authLogin("gone", PASSWORD, /^451 /),
  "garbage": async (client) => {
    await client.command(`AUTH PLAIN ${btoa(`alice ${PASSWORD}`)}`, /^50[01] /);
    await client.command(`AUTH PLAIN =${btoa(`\0alice\0${PASSWORD}`)}`, /^50[01] /);
    await client.command(`AUTH XOAUTH2 ${btoa(`user=alice\x01auth=Basic ${PASSWORD}\x01\x01`)}`, /^50[01] /);
    await client.command("AUTH LOGIN", /^334 /);
    await client.command(`!${btoa(PASSWORD)}`, /^50[01] /);
  },
  "an unknown mechanism, and the password behind it all the same": async (client) => {
    secrets.speak(PASSWORD);
    await client.send(
      `AUTH DIGEST-MD5\r\n${btoa("alice")}\r\n${
        btoa(PASSWORD)
      }\r\n${PASSWORD}\r\nauth ${PASSWORD}\r\nQUIT\r\n`,
    );
    await client.readToEnd();
  },
  "a line without an end": async (client) => {
    await client.send(`AUTH PLAIN ${btoa(`\0alice\0${PASSWORD}`).repeat(500)}`);
    await client.readToEnd();
  },
  "a line of another protocol without an end": async (client) => {
    secrets.speak(PASSWORD);
    await client.send(`a LOGIN alice ${PASSWORD} `.repeat(500));
    await client.readToEnd();
  },
  "AUTH whose line end was lost": async (client) => {
    const response = btoa(`\0alice\0${PASSWORD}`);
    secrets.speakResponse(response);
    await client.send(`EHLO client.exampleAUTH PLAIN ${response} ${" x".repeat(5_000)}`);
    await client.readToEnd();
  },
  "an exchange that is given up": async (client) => {
    await client.command("AUTH PLAIN", "334 ");
    await client.command("*", /^50[01] /);
  },
  "an exchange in which the client goes away": async (client) => {
    await client.command("AUTH LOGIN", /^334 /);
    await client.send(btoa("alice") + "\r\n" + btoa(PASSWORD));
  },
};

/** The same where everybody waits for somebody until the time is over, to the end of the session. */
const WAITS: Readonly<Record<string, (client: DialogueClient) => Promise<unknown>>> = {
  "a service that is slow": (client) => client.send(`AUTH PLAIN ${btoa(`\0slow\0${PASSWORD}`)}\r\n`),
  "a mail server that is slow": (client) => client.send(`AUTH PLAIN ${btoa(`\0silent\0${PASSWORD}`)}\r\n`),
  "an exchange in which the client falls silent": async (client) => {
    await client.send(`AUTH LOGIN\r\n${btoa("alice")}\r\n${btoa(PASSWORD).slice(0, -4)}`);
  },
};

const MAIL: Directives = {
  log: "stderr debug",
  smtp_auth: ["plain", "login", "cram-md5", "xoauth2", "oauthbearer"],
  proxy_smtp_auth: "on",
  xclient: "off",
  max_errors: 6,
  admin_listen: "127.0.0.1:0",
};

/** What the admin listener tells, metrics and sessions. */
async function askAdmin({ postern }: Edge): Promise<string> {
  const { address } = await postern.event("admin_listening");
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const texts = ["/metrics", "/sessions", "/healthz", "/readyz"].map(async (path) => {
    const response = await fetch(`http://${address}${path}`, { headers });
    return await response.text();
  });
  return (await Promise.all(texts)).join("\n");
}

for (const compat of ["off", "nginx"]) {
  Deno.test(`no log and no metric has a password, whatever becomes of a login, compat: ${compat}`, async () => {
    secrets.speak(ADMIN_TOKEN);
    await using upstream = new ScriptedUpstream(mailServer);
    await withEdge({
      callout: (request) => decide(request, upstream.port),
      mail: ({ directory }) => {
        Deno.writeTextFileSync(`${directory}/token`, ADMIN_TOKEN, { mode: 0o600 });
        return {
          ...MAIL,
          compat,
          admin_token_file: `${directory}/token`,
          error_log: `${directory}/error.log debug`,
          access_log: ["stderr", `${directory}/access.json`, `${directory}/access.log format=text`],
        };
      },
      servers: () => [{}, { smtp_greeting_delay: "1m" }, { timeout: "300ms", auth_http_timeout: "300ms" }],
    }, async (edge) => {
      const { postern, connect } = edge;
      const trials = Object.values(TRIALS).map(async (trial) => {
        await using client = await connect();
        await client.command("EHLO client.example", /^250/);
        // In nginx's way some of them end otherwise; what they say is the same.
        await (compat === "off" ? trial(client) : trial(client).catch(() => {}));
      });
      const waits = Object.values(WAITS).map(async (wait) => {
        await using client = await connect(2, { greeting: false });
        await wait(client);
        await client.readToEnd();
      });
      await Promise.all([...trials, ...waits]);
      await using early = await connect(1, { greeting: false });
      await early.send(`AUTH PLAIN ${btoa(`\0alice\0${PASSWORD}`)}\r\n`);
      await early.readToEnd();
      for (let conn = 1; conn <= trials.length + waits.length + 1; conn++) {
        await postern.event("session_closed", (line) => line["conn"] === conn);
      }
      const told = await askAdmin(edge);
      assert.match(told, /postern_/);
      assert.deepEqual(secrets.foundIn(told), []);
      // It was said: what is not found was looked for.
      for (const secret of [PASSWORD, OTHER_PASSWORD, TOKEN, btoa(PASSWORD)]) {
        assert.notDeepEqual(secrets.foundIn(`x${secret}y`), [], secret);
      }
      const events = new Set(postern.log.map(({ event }) => event));
      for (
        const event of [
          "client_login_failed",
          "auth_unavailable",
          "upstream_failed",
          "auth_invalid",
          "early_talker",
        ]
      ) {
        assert.ok(events.has(event), event);
      }
    });
    // When the process has ended, all that it printed and every file that it wrote is searched: PosternProcess.stop().
  });
}

Deno.test("a log that has a password fails the test that brought it there", async () => {
  const planted = "planted-passw0rd";
  // It is not to be found a second time, in the output of the whole run.
  const kept = Deno.env.get("POSTERN_RUN_OUTPUT");
  Deno.env.delete("POSTERN_RUN_OUTPUT");
  await assert.rejects(
    withEdge({ callout: () => refused("no") }, async ({ connect }) => {
      await using client = await connect();
      // A login is logged, and this one is a password.
      await client.authPlain(planted, planted, /^535 /);
    }),
    (error) => error instanceof assert.AssertionError && error.message.includes("the process wrote a secret"),
  );
  if (kept !== undefined) Deno.env.set("POSTERN_RUN_OUTPUT", kept);
});
