/**
 * Steps of the client's dialogue.
 *
 * @module
 */
import { ehloLines } from "../../src/policy/capabilities.ts";
import {
  type ClientEvent,
  type ClientRules,
  initialClientState,
  stepClient,
} from "../../src/session/client_machine.ts";
import { serverReplies } from "../../src/session/replies.ts";

const ehlo = ehloLines({
  smtp_auth: ["plain", "none"],
  smtp_capabilities: ["PIPELINING", "8BITMIME"],
  starttls: "on",
  smtp_guard: true,
  smtp_max_message_size: null,
});

const rules: ClientRules = {
  replies: serverReplies("mail.example", ehlo),
  starttls: "on",
  methods: new Set(["plain", "none"]),
  maxErrors: 5,
  maxCommands: 1000,
  pipelining: "unchecked",
  maxMessageOctets: Infinity,
  refusesNul: true,
  compat: false,
  newSalt: () => "<1.2@mail.example>",
};

const lines = (...texts: string[]): ClientEvent[] => texts.map((line) => ({ kind: "line", line }));

/** From the greeting to the question to the callout. */
const DIALOGUES: readonly (readonly [string, readonly ClientEvent[]])[] = [
  [
    "EHLO, MAIL and RCPT",
    lines("EHLO client.example", "MAIL FROM:<ada@example.com>", "RCPT TO:<grace@example.com>"),
  ],
  ["EHLO, STARTTLS, EHLO and AUTH PLAIN", [
    ...lines("EHLO client.example", "STARTTLS"),
    { kind: "tls_started" },
    ...lines("EHLO client.example", "AUTH PLAIN AGFkYQBjb3JyZWN0LWhvcnNl"),
  ]],
];

for (const [name, events] of DIALOGUES) {
  Deno.bench(`stepClient, ${name}`, () => {
    let state = initialClientState(false);
    for (const event of events) state = stepClient(state, event, rules).state;
    if (state.phase !== "asking") throw new Error("no question");
  });
}
