/**
 * What the access log tells of a session and of a message: names, order and values, the same for every format.
 *
 * @module
 */
import type { SessionRecord } from "../ports/access_log.ts";
import type { MessageRecord, SessionContext } from "../ports/telemetry.ts";
import type { CertificateVerdict } from "../ports/transport.ts";
import { clientText } from "./client_text.ts";
import { endingSide } from "./endings.ts";

/** A field's value; an object holds numbers by name. */
export type AccessValue = string | number | boolean | Readonly<Record<string, number>>;

/** Takes the fields in their order. */
export type PutField = (name: string, value: AccessValue) => void;

/** The longest text of a field in units; what is longer is cut. */
const TEXT_UNITS = 1024;

/** Tells a session; what is not known of it is left out. */
export function sessionFields(record: SessionRecord, put: PutField): void {
  const { context, relayEndedBy } = record;
  put("session", context.id);
  put("conn", context.connection);
  put("listener", context.listener);
  put("client", clientText(context.client));
  if (record.peer !== null) put("peer", clientText(record.peer));
  putText(put, "client_host", record.clientHost);
  putText(put, "helo", record.helo);
  putTls(put, record);
  if (record.method !== null) put("auth_method", record.method);
  putText(put, "login", context.login);
  if (record.attempts > 0) put("attempts", record.attempts);
  if (record.callout !== null) put("callout", record.callout.outcome);
  putText(put, "callout_code", record.callout?.code ?? null);
  putText(put, "upstream", context.upstream);
  if (record.upstreamTls !== null) put("upstream_tls", record.upstreamTls.protocol);
  if (record.upstreamFailure !== null) {
    putText(put, "upstream_stage", record.upstreamFailure.stage);
    putText(put, "upstream_code", record.upstreamFailure.code);
  }
  putText(put, "reverse_path", record.reversePath);
  if (relayEndedBy !== null) {
    put("messages", record.messagesAccepted);
    put("messages_failed", record.messagesFailed);
    put("recipients", record.recipientsAccepted);
    put("recipients_refused", record.recipientsRefused);
    put("octets_to_upstream", record.octetsToUpstream);
    put("octets_to_client", record.octetsToClient);
  }
  putReply(put, record.reply);
  putText(put, "queue_id", record.queueId);
  put("outcome", record.outcome);
  put("side", endingSide(record.outcome, relayEndedBy));
  put("stage", record.stage);
  put("seconds", record.seconds);
  put("stages", record.stageSeconds);
}

/** Tells a message. */
export function messageFields(session: SessionContext, record: MessageRecord, put: PutField): void {
  put("session", session.id);
  put("conn", session.connection);
  put("message", record.number);
  put("listener", session.listener);
  put("client", clientText(session.client));
  putText(put, "login", session.login);
  putText(put, "upstream", session.upstream);
  putText(put, "reverse_path", record.reversePath);
  put("recipients", record.recipientsAccepted);
  put("recipients_refused", record.recipientsRefused);
  put("octets", record.octets);
  putReply(put, record.reply);
  putText(put, "queue_id", record.queueId);
  putText(put, "refusal", record.refusal);
  put("outcome", record.outcome);
  put("seconds", record.seconds);
}

function putTls(put: PutField, { context, tls }: SessionRecord): void {
  if (tls === null) return;
  put("starttls", context.starttls);
  put("tls_protocol", tls.protocol);
  put("tls_cipher", tls.cipher);
  putText(put, "tls_sni", tls.serverName);
  put("tls_resumed", tls.resumed);
  if (tls.verdict.kind !== "none") putText(put, "client_cert", verdictText(tls.verdict));
}

/** As nginx's `$ssl_client_verify` says it. */
function verdictText(verdict: CertificateVerdict): string {
  if (verdict.kind === "failed") return `FAILED:${verdict.reason}`;
  return verdict.kind === "success" ? "SUCCESS" : "NONE";
}

function putReply(put: PutField, reply: SessionRecord["reply"]): void {
  if (reply !== null) putText(put, "reply", `${reply.code} ${reply.text}`.trimEnd());
}

function putText(put: PutField, name: string, text: string | null): void {
  if (text !== null) put(name, text.length > TEXT_UNITS ? `${text.slice(0, TEXT_UNITS)}...` : text);
}
