import { quoteText } from "../bytes/latin1.ts";

/** Longest beginning of a line that is shown, in octets. */
const SHOWN_OCTETS = 512;
/** A verb and something behind it. A line of base64, which could be a SASL response, has no blank. */
const COMMAND = /^(?!AUTH)[A-Za-z]{1,16} [^\r\n]/i;

/**
 * What a client said, in quotes and fit for a log: the beginning of its first line. A line that is no command is
 * not shown, and neither is AUTH, as either may hold credentials.
 */
export function shownLine(text: string): string {
  if (!COMMAND.test(text)) return '"..."';
  const end = text.search(/[\r\n]/);
  return quoteText(text.slice(0, end < 0 ? SHOWN_OCTETS : Math.min(end, SHOWN_OCTETS)));
}
