/**
 * Shows Postern at work: `deno task demo` starts an auth service, a mail server and Postern on free loopback ports,
 * sends a message through them with STARTTLS and AUTH PLAIN, prints what every side says, and stays up for the
 * reader's own client. `--once` ends after the message.
 *
 * @module
 */
import { loadConfig, serve } from "../mod.ts";
import { formatProblem } from "../src/config/problem.ts";
import { diskFiles } from "../src/app/disk_files.ts";
import { NO_METRICS } from "../src/telemetry/metrics.ts";
import { JsonLog } from "../src/telemetry/json_log.ts";
import { openStream } from "../src/telemetry/log_sink.ts";
import { sendDemoMessage } from "./demo_client.ts";
import { DEMO_LOGIN, DEMO_PASSWORD, startAuthService, startMailServer } from "./demo_peers.ts";
import { explain, paint, say, step } from "./demo_screen.ts";
import { selfSigned } from "./self_signed.ts";

// Heard from here to the end of the process: `npx` and `deno task` pass on a Ctrl-C that the terminal sends too, and
// the second one must not stop the tidying up.
const { promise: interrupted, resolve: interrupt } = Promise.withResolvers<void>();
Deno.addSignalListener("SIGINT", interrupt);
Deno.addSignalListener("SIGTERM", interrupt);

const folder = await Deno.makeTempDir({ prefix: "postern-demo-" });
const mailServer = startMailServer();
const authService = startAuthService({ hostname: "127.0.0.1", port: mailServer.port });

step("Postern makes a certificate for itself and starts on a free port");
const certificate = await selfSigned(["localhost", "127.0.0.1"]);
await Deno.writeTextFile(`${folder}/cert.pem`, certificate.certificate);
await Deno.writeTextFile(`${folder}/key.pem`, certificate.key, { mode: 0o600 });
const file = `${folder}/postern.yaml`;
await Deno.writeTextFile(
  file,
  `mail:
  server_name: mail.example.com
  auth_http: http://127.0.0.1:${authService.port}/auth
  smtp_auth: [login, plain]
  smtp_capabilities: [PIPELINING, SIZE 52428800, 8BITMIME]
  ssl_certificate: cert.pem
  ssl_certificate_key: key.pem
  servers:
    - listen: 127.0.0.1:0
      starttls: only
`,
);
console.log(paint("dim", await Deno.readTextFile(file)));
const config = loadConfig(await Deno.readTextFile(file), file, diskFiles);
if (!("servers" in config)) throw new Error(config.map(formatProblem).join("\n"));
const log = new JsonLog(openStream("stdout"), { level: "warn" });
const postern = await serve(config, { log, metrics: NO_METRICS });
const address = postern.addresses[0]!;
if (address.kind !== "tcp") throw new TypeError("the demo listens on TCP");

try {
  await sendDemoMessage(address.port, certificate.certificate);
  if (!Deno.args.includes("--once")) {
    step("Now try your own client; Ctrl-C ends the demo");
    say("try", swaksLine(address.port));
    explain("The conversation behind Postern appears here as it happens.");
    await interrupted;
  }
} finally {
  await postern.stop(0);
  await authService.stop();
  await mailServer.stop();
  await log.close();
  await Deno.remove(folder, { recursive: true });
}
console.log(paint("dim", "\nThe demo has ended; nothing was left behind."));

function swaksLine(port: number): string {
  return `swaks --server 127.0.0.1:${port} --tls --auth PLAIN --auth-user ${DEMO_LOGIN} --auth-password ` +
    `${DEMO_PASSWORD} --from ada@example.com --to grace@example.com`;
}
