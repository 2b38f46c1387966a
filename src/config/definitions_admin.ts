/** Directives of the admin listener. */
import { localAddress } from "./addresses.ts";
import type { DirectiveTable } from "./directive.ts";
import type { MainSettings } from "./settings.ts";
import { fileName, time } from "./simple_types.ts";
import { orOff } from "./value_type.ts";

type AdminSettings = Pick<MainSettings, "admin_listen" | "admin_token_file" | "hold_timeout">;

export const adminDirectives = {
  admin_listen: {
    context: "main",
    type: orOff(localAddress),
    default: "off",
    doc: "Address on which metrics and health are served over HTTP, and sessions can be seen and ended.",
    source: "Postern",
    note: "A Unix socket is for its owner only; an address that other hosts reach needs `admin_token_file`.",
  },
  admin_token_file: {
    context: "main",
    type: orOff(fileName),
    default: "off",
    doc:
      "File with a secret of at least 16 characters; all of `admin_listen` but the health then asks for it as " +
      "`Authorization: Bearer`.",
    source: "Postern",
  },
  hold_timeout: {
    context: "main",
    type: time(),
    default: "60s",
    doc: "How long the sign-in of a user waits whom the operator holds back, until it gets `454 4.7.0`.",
    source: "Postern",
  },
} as const satisfies DirectiveTable<AdminSettings>;
