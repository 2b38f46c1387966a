import assert from "node:assert/strict";
import { encodeLatin1 } from "../../src/bytes/latin1.ts";
import { DialogueClient } from "../support/dialogue_client.ts";
import { type Edge, withEdge } from "../support/edge.ts";
import { until, within } from "../support/patience.ts";
import type { LogLine } from "../support/postern_process.ts";
import { openFiles } from "../support/process_facts.ts";
import { ResettableStream, ResettableUpstream } from "../support/resettable_peer.ts";
import { accepted, httpAnswer, never } from "../support/scripted_callout.ts";
import { digestOf, SmtpSink } from "../support/smtp_sink.ts";
import type { Fault, Fields } from "./faults/fault.ts";
import { CLIENT_FAULTS } from "./faults/of_clients.ts";
import { MAIL_SERVER_FAULTS } from "./faults/of_mail_servers.ts";

const FAULTS: readonly Fault[] = [...MAIL_SERVER_FAULTS, ...CLIENT_FAULTS];

/** Half of a message is sent before each fault, the other half after it. */
const BYSTANDER = ["Subject: x\r\n\r\none half\r\n", "the other half\r\n"] as const;

/** The line has these fields, and perhaps others. */
function assertFields(line: LogLine, fields: Fields): void {
  const found = Object.fromEntries(Object.keys(fields).map((name) => [name, line[name]]));
  assert.deepEqual(found, fields, JSON.stringify(line));
}

async function play(fault: Fault, listener: number, edge: Edge, mail: MailPort): Promise<void> {
  const due = Promise.withResolvers<void>();
  const over = Promise.withResolvers<void>();
  await using upstream = await ResettableUpstream.listen(async (peer, stream) => {
    await fault.mail?.({ peer, stream, due: due.resolve, over: over.promise });
  });
  using _ = { [Symbol.dispose]: over.resolve };
  mail.port = upstream.port;
  mail.asked = due.resolve;
  const port = edge.postern.port(listener);
  const stream = await ResettableStream.connect(port);
  await using client = new DialogueClient(stream);
  const directives = fault.server?.(edge.files) ?? {};
  const greeted = directives["smtp_greeting_delay"] === undefined;
  if (greeted) await client.expect("220 mail.test ESMTP ready");
  await fault.client({ client, stream, due: due.promise, edge, port });
  if (fault.hears !== null) {
    assert.deepEqual(await client.readToEnd(), { text: fault.hears, ending: "end" }, client.transcript);
  }
  await client.close();
  over.resolve();
  await within(upstream.settled(), () => "the mail server does not come to its end");

  const here = ({ listener }: LogLine) => listener === `127.0.0.1:${port}`;
  const last = await edge.postern.event(fault.ends === null ? fault.event!.event : "session_closed", here);
  if (fault.ends !== null) {
    const [outcome, side, stage = "relaying"] = fault.ends;
    assertFields(last, { outcome, side, stage });
  }
  const messages = edge.postern.log.filter((line) => line.event === "message" && here(line));
  assert.equal(messages.length, fault.message === undefined ? 0 : 1);
  if (fault.message !== undefined) assertFields(messages[0]!, fault.message);
  const told = edge.postern.log.filter((line) =>
    here(line) && (line["level"] === "error" || line.event === (fault.event?.event ?? "relay_lost"))
  );
  assert.equal(told.length, fault.event === undefined ? 0 : 1, JSON.stringify(told));
  if (fault.event !== undefined) assertFields(told[0]!, fault.event);
}

/** Where the auth service sends alice, and whom it tells that it was asked. */
interface MailPort {
  port: number;
  asked: () => void;
}

Deno.test("whatever fails in a session, its client hears the truth, the log says what it was, others notice nothing, and nothing is left open", async (t) => {
  const mail: MailPort = { port: 0, asked: () => {} };
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) => {
      switch (request.header("Auth-User")) {
        case "slow":
          mail.asked();
          return never(request);
        case "waits":
          return httpAnswer("Auth-Status: wrong", "Auth-Wait: 1");
        case "bystander":
          return accepted(sink.port);
        default:
          return accepted(mail.port);
      }
    },
    mail: () => ({ xclient: "off", worker_processes: 1, auth_http_keepalive: 0, log: "stderr debug" }),
    servers: (files) => [{}, ...FAULTS.map(({ server }) => server?.(files) ?? {})],
  }, async (edge) => {
    const { postern } = edge;
    // What is open after a session that others do not need.
    const undisturbed = async (during: () => Promise<void>) => {
      await using bystander = await edge.connect();
      await bystander.authPlain("bystander", "secret");
      await bystander.beginMessage();
      await bystander.command("RCPT TO:<bob@example.test>", /^250 /);
      await bystander.command("DATA", /^354 /);
      await bystander.send(BYSTANDER[0]);
      await during();
      await bystander.send(BYSTANDER[1]);
      await bystander.command(".", /^250 /);
      await bystander.quit();
    };
    await undisturbed(() => Promise.resolve());
    await postern.event("session_closed");
    let base = Infinity;
    await until(
      () => base === (base = openFiles(postern.pid).length),
      () => "the descriptors of the first session come back",
    );
    for (const [i, fault] of FAULTS.entries()) {
      await t.step(fault.name, async () => {
        await undisturbed(() => play(fault, i + 1, edge, mail));
        await until(
          () => openFiles(postern.pid).length <= base,
          () => `${openFiles(postern.pid).length} descriptors do not become ${base}`,
        );
      });
    }
    assert.deepEqual(
      sink.messages.map(({ digest }) => digest),
      Array.from({ length: FAULTS.length + 1 }, () => digestOf(encodeLatin1(BYSTANDER.join("")))),
    );
  });
});
