import type { ServerSettings } from "../config/settings.ts";
import { announcedKeywords, messageLimit, relayedCapabilities } from "../policy/message_limits.ts";
import type { Capabilities } from "../grammar/ehlo.ts";
import type { GuardRules } from "../session/guard_rules.ts";
import { guardReplies } from "../session/replies.ts";

/** What the guard of a server's relays goes by; null with `smtp_guard off`. */
export function guardRules(settings: ServerSettings): GuardRules | null {
  if (!settings.smtp_guard) return null;
  return Object.freeze({
    data: {
      bareNewline: settings.smtp_bare_newline,
      nul: settings.smtp_nul,
      longLine: settings.smtp_long_line,
      maxOctets: messageLimit(settings),
    },
    maxRecipients: settings.smtp_max_recipients ?? Infinity,
    maxMessages: settings.smtp_max_messages ?? Infinity,
    maxErrors: Math.max(1, settings.max_errors),
    commandOctets: settings.smtp_client_buffer,
    replyOctets: settings.proxy_buffer,
    announced: announcedKeywords(settings),
    ehlo: (offered: Capabilities) => [settings.server_name, ...relayedCapabilities(settings, offered)],
    replies: guardReplies(settings.server_name),
  });
}
