/** Whether the files that a server names can be read and hold what they should. */
import { certificateFault, keyFault, readPassphrases, revocationListFault } from "./certificate_check.ts";
import type { EffectiveServer } from "./effective.ts";
import { type FileAccess, readFile } from "./file_access.ts";
import type { Place, ProblemList } from "./problem.ts";
import { pairCertificates } from "./server_checks.ts";

const AUTHORITIES = [
  "ssl_client_certificate",
  "ssl_trusted_certificate",
  "proxy_ssl_trusted_certificate",
  "auth_http_ssl_trusted_certificate",
] as const;

/** Checks the files of all servers; what is costly is done once for each pair of files. */
export class FileChecks {
  readonly #files: FileAccess;
  readonly #problems: ProblemList;
  readonly #checkedPairs = new Map<string, string | null>();

  constructor(files: FileAccess, problems: ProblemList) {
    this.#files = files;
    this.#problems = problems;
  }

  /** Reports what is wrong with the files of one server. */
  checkServer(server: EffectiveServer): void {
    for (const name of AUTHORITIES) {
      const file = server.get(name);
      if (file) this.#checkContent(server.placeOf(name), file, certificateFault);
    }
    const revoked = server.get("ssl_crl");
    if (revoked) this.#checkContent(server.placeOf("ssl_crl"), revoked, revocationListFault);
    this.#checkOwnCertificates(server);
    const certificate = server.get("proxy_ssl_certificate");
    const key = server.get("proxy_ssl_certificate_key");
    if (!certificate || !key) return;
    this.#checkPair(server, "proxy_ssl_certificate", "proxy_ssl_certificate_key", certificate, key, []);
  }

  #checkOwnCertificates(server: EffectiveServer): void {
    const file = server.get("ssl_password_file");
    const text = file ? this.#read(server.placeOf("ssl_password_file"), file) : "";
    if (text === null) return;
    const phrases = readPassphrases(text);
    for (const certificate of server.get("ssl_certificate") ?? []) {
      this.#checkContent(server.placeOf("ssl_certificate"), certificate, certificateFault);
    }
    for (const key of server.get("ssl_certificate_key") ?? []) {
      this.#read(server.placeOf("ssl_certificate_key"), key);
    }
    for (const { certificate, key } of pairCertificates(server)) {
      this.#checkPair(server, "ssl_certificate", "ssl_certificate_key", certificate, key, phrases);
    }
  }

  #checkPair(
    server: EffectiveServer,
    certificateName: "ssl_certificate" | "proxy_ssl_certificate",
    keyName: "ssl_certificate_key" | "proxy_ssl_certificate_key",
    certificate: string,
    key: string,
    phrases: readonly string[],
  ): void {
    const certificatePem = this.#checkContent(server.placeOf(certificateName), certificate, certificateFault);
    const keyPem = this.#read(server.placeOf(keyName), key);
    if (certificatePem === null || keyPem === null) return;
    const pair = [certificate, key, ...phrases].join("\0");
    const known = this.#checkedPairs.get(pair);
    const fault = known === undefined ? keyFault(certificatePem, keyPem, phrases) : known;
    this.#checkedPairs.set(pair, fault);
    if (fault === null) return;
    this.#problems.add(
      server.placeOf(keyName),
      "file",
      `${JSON.stringify(key)} for ${JSON.stringify(certificate)}: ${fault}`,
    );
  }

  #checkContent(place: Place, file: string, faultOf: (text: string) => string | null): string | null {
    const text = this.#read(place, file);
    const fault = text === null ? null : faultOf(text);
    if (fault === null) return text;
    this.#problems.add(place, "file", `${JSON.stringify(file)} cannot be used: ${fault}`);
    return null;
  }

  #read(place: Place, file: string): string | null {
    const result = readFile(this.#files, file);
    if ("text" in result) return result.text;
    this.#problems.add(place, "file", `cannot read ${JSON.stringify(file)}: ${result.fault}`);
    return null;
  }
}
