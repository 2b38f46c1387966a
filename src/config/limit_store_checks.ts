/** Rules about where the counts of limits are. */
import { certificateFault } from "./certificate_check.ts";
import type { Level } from "./effective.ts";
import { type FileAccess, readFile } from "./file_access.ts";
import type { ProblemList } from "./problem.ts";
import type { LimitStoreTarget } from "./settings.ts";

type FileDirective = "limit_store_password_file" | "limit_store_ssl_trusted_certificate";

/** Reports what is said of a store that does not need it, two passwords, and files that cannot be used. */
export function checkLimitStore(mail: Level, files: FileAccess, problems: ProblemList): void {
  const given = mail.given.get("limit_store");
  if (given !== undefined && given.value === undefined) return;
  const store = (given?.value ?? { kind: "memory" }) as LimitStoreTarget;
  const password = fileOf(mail, "limit_store_password_file");
  if (password !== null) {
    const message = store.kind === "memory"
      ? '"limit_store" is in memory and has no password'
      : store.password !== null
      ? '"limit_store" has a password already'
      : null;
    if (message !== null) problems.add(password.at, "conflict", message);
    checkFile(password, files, problems, (text) => text.trim() === "" ? "it is empty" : null);
  }
  const trusted = fileOf(mail, "limit_store_ssl_trusted_certificate");
  if (trusted === null) return;
  if (store.kind === "memory" || !store.tls) {
    problems.add(trusted.at, "conflict", 'only a "limit_store" of "rediss://" has a certificate');
  }
  checkFile(trusted, files, problems, certificateFault);
}

type GivenFile = { readonly at: Parameters<ProblemList["add"]>[0]; readonly file: string };

function fileOf(mail: Level, name: FileDirective): GivenFile | null {
  const given = mail.given.get(name);
  return given === undefined || !given.value ? null : { at: given.at, file: given.value as string };
}

function checkFile(
  { at, file }: GivenFile,
  files: FileAccess,
  problems: ProblemList,
  faultOf: (text: string) => string | null,
): void {
  const read = readFile(files, file);
  const fault = "fault" in read ? read.fault : faultOf(read.text);
  if (fault !== null) problems.add(at, "file", `${JSON.stringify(file)} cannot be used: ${fault}`);
}
