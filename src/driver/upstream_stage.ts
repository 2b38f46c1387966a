import type { UpstreamResult } from "./open_upstream.ts";

/** What is being done with a mail server, as logs have it, and as a label of metrics. */
const STAGES: Readonly<Record<string, string>> = {
  "connecting to upstream": "connect",
  "sending PROXY protocol header to upstream": "proxy_header",
  "SSL handshaking to upstream": "tls",
  "reading response from upstream": "greeting",
  "sending HELO/EHLO to upstream": "ehlo",
  "sending STARTTLS to upstream": "starttls",
  "sending XCLIENT to upstream": "xclient",
  "sending client HELO/EHLO to upstream": "ehlo_client",
  "sending AUTH to upstream": "auth",
  "sending MAIL FROM to upstream": "mail",
  "sending RCPT TO to upstream": "rcpt",
};

/** Where a dialogue with a mail server failed and why, as the labels of `upstream_failures`. */
export function failureLabel({ stage, code, reply }: Extract<UpstreamResult, { kind: "failed" }>): string {
  return `${STAGES[stage] ?? "other"}|${code === "refused" ? refusal(reply?.code ?? 0) : code}`;
}

/** `refused` alone is a host where nothing listens. */
function refusal(code: number): string {
  if (code === 0) return "refused";
  return code >= 400 && code <= 599 ? `${Math.floor(code / 100)}xx` : "unexpected_reply";
}
