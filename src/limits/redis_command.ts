const encoder = new TextEncoder();

/** A command as Redis and Valkey take it (RESP2): text, to be written in UTF-8. No argument can pass for two. */
export function formatCommand(args: readonly string[]): string {
  let text = `*${args.length}\r\n`;
  for (const arg of args) text += `$${octetsOf(arg)}\r\n${arg}\r\n`;
  return text;
}

function octetsOf(text: string): number {
  for (let at = 0; at < text.length; at++) {
    if (text.charCodeAt(at) >= 0x80) return encoder.encode(text).length;
  }
  return text.length;
}
