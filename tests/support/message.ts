/** Content for DATA of exactly `octets` octets, the same for every call: lines with CRLF, dots stuffed. */
export function messageContent(octets: number): Uint8Array {
  const head = "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: a message\r\n\r\n";
  const lines = Array.from({ length: 97 }, (_, i) => {
    const start = i % 7 === 0 ? ".." : "";
    return `${start}${i} ${String.fromCharCode(0x21 + i % 0x5e).repeat(60 + i % 13)}\xe9\xff\r\n`;
  });
  const content = new Uint8Array(octets);
  let text = head;
  for (let at = 0, line = 0; at < octets; text = lines[line++ % lines.length]!) {
    for (let i = 0; i < text.length && at < octets; i++) content[at++] = text.charCodeAt(i);
  }
  // The last line may have been cut anywhere, between CR and LF too: it is made to end as a line does.
  content.set([0x78, 0x0d, 0x0a], octets - 3);
  if (content[octets - 4] === 0x0d) content[octets - 4] = 0x78;
  return content;
}
