/** Records as the tests of the access log need them. */
import type { SessionRecord } from "../../../src/ports/access_log.ts";
import type { MessageRecord, SessionContext } from "../../../src/ports/telemetry.ts";

/** A context; what is not said is that of a client that has done nothing yet. */
export function sessionContext(fields: Partial<SessionContext> = {}): SessionContext {
  return {
    id: "5e5510",
    connection: 7,
    client: { host: "192.0.2.7", port: 4711 },
    listener: "0.0.0.0:587",
    doing: "",
    starttls: false,
    login: null,
    upstream: null,
    ...fields,
  };
}

type Fields = Partial<Omit<SessionRecord, "context">> & { readonly context?: Partial<SessionContext> };

/** A session; what is not said is that of a client that left at once. */
export function sessionRecord({ context, ...fields }: Fields = {}): SessionRecord {
  return {
    context: sessionContext(context),
    outcome: "client_closed",
    relayEndedBy: null,
    stage: "command",
    seconds: 0.25,
    stageSeconds: { command: 0.25 },
    peer: null,
    clientHost: null,
    helo: null,
    tls: null,
    method: null,
    attempts: 0,
    callout: null,
    upstreamTls: null,
    upstreamFailure: null,
    reversePath: null,
    recipientsAccepted: 0,
    recipientsRefused: 0,
    messagesAccepted: 0,
    messagesFailed: 0,
    octetsToUpstream: 0,
    octetsToClient: 0,
    reply: null,
    queueId: null,
    ...fields,
  };
}

/** A message that the mail server took. */
export function messageRecord(fields: Partial<MessageRecord> = {}): MessageRecord {
  return {
    outcome: "accepted",
    number: 1,
    reversePath: "ada@example.com",
    recipientsAccepted: 2,
    recipientsRefused: 1,
    octets: 1234,
    reply: { code: 250, text: "2.0.0 Ok: queued as 4F1" },
    queueId: "4F1",
    refusal: null,
    seconds: 0.031,
    ...fields,
  };
}
