import assert from "node:assert/strict";
import type { ServerSettings } from "../../../src/config/settings.ts";
import type { Pipelining } from "../../../src/session/pipelining.ts";
import { pipeliningRule } from "../../../src/policy/pipelining.ts";

const NO_LOGIN: ServerSettings["smtp_auth"] = ["none"];
const PIPELINING = ["SIZE 10", "pipelining"];

interface Case {
  readonly mode: ServerSettings["smtp_reject_unauth_pipelining"];
  readonly methods?: ServerSettings["smtp_auth"];
  readonly capabilities?: readonly string[];
  readonly compat?: ServerSettings["compat"];
  readonly rule: Pipelining;
}

for (
  const { mode, methods = NO_LOGIN, capabilities = PIPELINING, compat = "off", rule } of [
    { mode: "auto", rule: "groups" },
    { mode: "auto", capabilities: [], rule: "forbidden" },
    { mode: "auto", methods: ["plain", "none"], rule: "groups" },
    { mode: "auto", methods: ["plain"], rule: "unchecked" },
    { mode: "auto", compat: "nginx", rule: "unchecked" },
    { mode: "on", methods: ["plain"], rule: "groups" },
    { mode: "on", compat: "nginx", capabilities: ["PIPELININGS"], rule: "forbidden" },
    { mode: "off", rule: "unchecked" },
  ] as readonly Case[]
) {
  const facts = `${mode}, methods ${methods}, capabilities ${capabilities}, compat ${compat}`;
  Deno.test(`pipeliningRule() is ${rule} for ${facts}`, () => {
    const settings = {
      smtp_reject_unauth_pipelining: mode,
      smtp_auth: methods,
      smtp_capabilities: capabilities,
      compat,
    };
    assert.equal(pipeliningRule(settings), rule);
  });
}
