/** Rules about the admin listener, which is powerful: whoever may use it ends sessions and reads who is connected. */
import { parseIp } from "../bytes/ip_address.ts";
import { readAdminToken } from "./admin_token.ts";
import type { Level } from "./effective.ts";
import { type FileAccess, readFile } from "./file_access.ts";
import type { ProblemList } from "./problem.ts";
import type { MainSettings } from "./settings.ts";

/** Reports an address that strangers reach without a token, and a token that is none. */
export function checkAdmin(mail: Level, files: FileAccess, problems: ProblemList): void {
  const listen = mail.given.get("admin_listen");
  const address = listen?.value as MainSettings["admin_listen"] | undefined;
  const token = mail.given.get("admin_token_file");
  const file = token?.value as string | null | undefined;
  if (listen !== undefined && address?.kind === "tcp" && !isLoopback(address.host) && !file) {
    const message = 'other hosts reach this address: it needs a secret in "admin_token_file", ' +
      'or must be one such as "127.0.0.1:9025" or "unix:/run/postern/admin.sock"';
    problems.add(listen.at, "conflict", message);
  }
  if (token === undefined || !file) return;
  const read = readFile(files, file);
  const fault = "fault" in read ? read.fault : faultOf(read.text);
  if (fault === null) return;
  problems.add(token.at, "file", `${JSON.stringify(file)} cannot be used: ${fault}`);
}

function faultOf(text: string): string | null {
  const read = readAdminToken(text);
  return "fault" in read ? read.fault : null;
}

function isLoopback(host: string): boolean {
  const octets = parseIp(host);
  if (octets?.length === 4) return octets[0] === 127;
  return octets?.length === 16 && octets.every((octet, at) => octet === (at === 15 ? 1 : 0));
}
