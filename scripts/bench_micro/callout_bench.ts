/**
 * What is done for every callout: the request is written, the response is read.
 *
 * @module
 */
import { compileRequest, writeRequest } from "../../src/auth/http_request.ts";
import { HttpResponseReader } from "../../src/auth/http_response.ts";
import { RequestOctets } from "../../src/auth/request_octets.ts";
import type { AuthQuestion } from "../../src/ports/auth_backend.ts";
import { AUTH_RESPONSE } from "./auth_response.ts";

const template = compileRequest({
  host: "auth.example",
  uri: "/auth",
  keepAlive: true,
  sendCertificateFacts: false,
  passClientCertificate: false,
  headers: [{ name: "X-Auth-Key", value: "0123456789abcdef" }],
});

const PLAIN: AuthQuestion = {
  method: "plain",
  user: "ada@example.com",
  secret: "correct-horse",
  salt: null,
  attempt: 1,
  client: { host: "192.0.2.7", port: 40025 },
  server: { kind: "tcp", host: "198.51.100.1", port: 587 },
  clientHost: "[UNAVAILABLE]",
  proxyProtocol: null,
  envelope: null,
  tls: null,
  sessionId: "0123456789abcdef",
  traceparent: null,
};

const ENVELOPE: AuthQuestion = {
  ...PLAIN,
  method: "none",
  user: "",
  secret: "",
  envelope: {
    helo: "client.example",
    mail: "MAIL FROM:<ada@example.com> SIZE=1024",
    rcpt: "RCPT TO:<grace@example.com>",
  },
};

const octets = new RequestOctets();
const reader = new HttpResponseReader();

Deno.bench("writeRequest, a login", () => {
  writeRequest(template, PLAIN, octets);
  octets.clear();
});

Deno.bench("writeRequest, an envelope", () => {
  writeRequest(template, ENVELOPE, octets);
  octets.clear();
});

Deno.bench("HttpResponseReader, a response without a body", () => {
  reader.feed(AUTH_RESPONSE);
  if (reader.state !== "complete" || !reader.reusable) throw new Error("no response");
  reader.reset();
});
