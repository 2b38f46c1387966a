/** Rules about directives of one server that only hold together. */
import type { EffectiveServer } from "./effective.ts";
import type { ProblemList } from "./problem.ts";
import type { CertificateFiles, SmtpAuthMethod } from "./settings.ts";

/** Reports what does not fit together. Values that are wrong by themselves are passed over. */
export function checkServer(server: EffectiveServer, problems: ProblemList): void {
  checkDecider(server, problems);
  checkMethods(server, problems);
  checkCertificates(server, problems);
  checkClientCertificates(server, problems);
  checkUpstreamCertificate(server, problems);
  checkCountedMail(server, problems);
  checkLimitDoubles(server, "limit_conn", problems);
  checkLimitDoubles(server, "limit_login", problems);
}

/** Exactly one of `auth_http` and `users` decides about logins. */
function checkDecider(server: EffectiveServer, problems: ProblemList): void {
  const auth = server.get("auth_http");
  const users = server.get("users");
  if (auth === undefined || users === undefined) return;
  if (auth === null && users === null) {
    problems.add(server.at, "missing", 'no "auth_http" and no "users" is defined for server');
  } else if (auth !== null && users !== null) {
    const { line } = server.placeOf("auth_http");
    const message = `"users" and "auth_http" (line ${line}) cannot both hold: write "off" for one of them`;
    problems.add(server.placeOf("users"), "conflict", message);
  }
  if (auth === null && server.get("auth_http_cache")) {
    const message = '"auth_http_cache" is for "auth_http", and this server has "users": write "off" here';
    problems.add(server.placeOf("auth_http_cache"), "conflict", message);
  }
}

const METHODS_OF_USERS: readonly SmtpAuthMethod[] = ["plain", "login"];

function checkMethods(server: EffectiveServer, problems: ProblemList): void {
  const methods = server.get("smtp_auth") ?? [];
  if (server.get("users")) {
    const beyond = methods.filter((method) => !METHODS_OF_USERS.includes(method));
    if (beyond.length > 0) {
      const message = `"users" can check plain and login only, found ${beyond.join(", ")}: use "auth_http"`;
      problems.add(server.placeOf("smtp_auth"), "conflict", message);
    }
  }
  if (methods.includes("external") && server.get("ssl_verify_client") === "off") {
    const message =
      '"external" needs a client certificate: set "ssl_verify_client" to on, optional or optional_no_ca';
    problems.add(server.placeOf("smtp_auth"), "conflict", message);
  }
}

/** The certificates of a server with their keys, as far as both are given. */
export function pairCertificates(server: EffectiveServer): CertificateFiles[] {
  const keys = server.get("ssl_certificate_key") ?? [];
  return (server.get("ssl_certificate") ?? []).flatMap((certificate, i) => {
    const key = keys[i];
    return key === undefined ? [] : [{ certificate, key }];
  });
}

/** nginx's texts (spec §1.7), which people search for. */
function checkCertificates(server: EffectiveServer, problems: ProblemList): void {
  const certificates = server.get("ssl_certificate");
  const keys = server.get("ssl_certificate_key");
  if (certificates === undefined || keys === undefined) return;
  const user = directiveThatNeedsTls(server);
  if (user !== null && certificates.length === 0) {
    problems.add(
      server.placeOf(user.name),
      "missing",
      `no "ssl_certificate" is defined for the ${user.text} directive`,
    );
  }
  const lone = certificates[keys.length];
  if (lone !== undefined) {
    const message = `no "ssl_certificate_key" is defined for certificate ${JSON.stringify(lone)}`;
    problems.add(server.placeOf("ssl_certificate"), "missing", message);
  } else if (keys.length > certificates.length) {
    const message =
      `expected one key for each "ssl_certificate", found ${keys.length} keys for ${certificates.length}`;
    problems.add(server.placeOf("ssl_certificate_key"), "conflict", message);
  }
}

function directiveThatNeedsTls(
  server: EffectiveServer,
): { name: "starttls" | "listen"; text: string } | null {
  const implicit = server.get("ssl") === true || server.get("listen")?.some(({ settings }) => settings.ssl);
  if (implicit) return { name: "listen", text: '"listen ... ssl"' };
  const starttls = server.get("starttls");
  return starttls === "on" || starttls === "only" ? { name: "starttls", text: '"starttls"' } : null;
}

function checkClientCertificates(server: EffectiveServer, problems: ProblemList): void {
  const mode = server.get("ssl_verify_client");
  const hasAuthorities = server.get("ssl_client_certificate") !== null ||
    server.get("ssl_trusted_certificate") !== null;
  if ((mode === "on" || mode === "optional") && !hasAuthorities) {
    const message = 'no "ssl_client_certificate" or "ssl_trusted_certificate" for "ssl_verify_client"';
    problems.add(server.placeOf("ssl_verify_client"), "missing", message);
  }
}

function checkUpstreamCertificate(server: EffectiveServer, problems: ProblemList): void {
  const certificate = server.get("proxy_ssl_certificate");
  const key = server.get("proxy_ssl_certificate_key");
  if (certificate && key === null) {
    const message = 'no "proxy_ssl_certificate_key" is defined for "proxy_ssl_certificate"';
    problems.add(server.placeOf("proxy_ssl_certificate"), "missing", message);
  } else if (key && certificate === null) {
    const message = 'no "proxy_ssl_certificate" is defined for "proxy_ssl_certificate_key"';
    problems.add(server.placeOf("proxy_ssl_certificate_key"), "missing", message);
  }
}

/** What is said in a relay only the guard hears. */
function checkCountedMail(server: EffectiveServer, problems: ProblemList): void {
  const counted = server.get("limit_req")?.find(({ what }) => what !== "connections");
  const guarded = server.get("smtp_guard") ?? server.get("compat") !== "nginx";
  if (counted === undefined || guarded) return;
  const message = `"limit_req" counts ${counted.what} in the relay, for which "smtp_guard" must be on`;
  problems.add(server.placeOf("limit_req"), "conflict", message);
}

/** Two limits of one count would count everybody twice. */
function checkLimitDoubles(
  server: EffectiveServer,
  name: "limit_conn" | "limit_login",
  problems: ProblemList,
): void {
  const limits: readonly { readonly by: string; readonly zone: string }[] = server.get(name) ?? [];
  const double = limits.find(({ by, zone }, at) =>
    limits.slice(0, at).some((other) => other.by === by && other.zone === zone)
  );
  if (double === undefined) return;
  const where = double.zone === "" ? "" : ` in the zone ${JSON.stringify(double.zone)}`;
  problems.add(server.placeOf(name), "conflict", `"${name}" is given twice for "${double.by}"${where}`);
}
