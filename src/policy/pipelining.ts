import type { ServerSettings } from "../config/settings.ts";
import type { Pipelining } from "../session/pipelining.ts";

type Facts = Pick<
  ServerSettings,
  "smtp_reject_unauth_pipelining" | "smtp_auth" | "smtp_capabilities" | "compat"
>;

/**
 * Whether clients are held to RFC 2920. `auto`: other mail servers are, who all know it, and of whom many send spam in
 * one go; programs of users that sign in are not, as nginx never did.
 */
export function pipeliningRule(settings: Facts): Pipelining {
  const { smtp_reject_unauth_pipelining: mode, smtp_auth, smtp_capabilities, compat } = settings;
  const held = mode === "on" || mode === "auto" && compat === "off" && smtp_auth.includes("none");
  if (!held) return "unchecked";
  const announced = smtp_capabilities.some((line) => line.toUpperCase() === "PIPELINING");
  return announced ? "groups" : "forbidden";
}
