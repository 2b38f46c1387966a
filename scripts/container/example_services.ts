/**
 * The services beside Postern in compose.yaml:
 *
 *     example_services.ts auth --listen HOST:PORT --mail-server HOST:PORT
 *     example_services.ts sink --listen HOST:PORT
 *     example_services.ts certificate --name NAME... --into DIRECTORY
 *
 * @module
 */
import { join } from "node:path/posix";
import { parseArgs } from "node:util";
import {
  DEMO_LOGIN,
  type DemoAddress,
  type DemoService,
  startAuthService,
  startMailServer,
} from "../demo_peers.ts";
import { selfSigned } from "../self_signed.ts";

/** The first process of a container has no owner to give files to: everybody of the volume may read them. */
const READABLE = 0o644;

async function main(args: string[]): Promise<number> {
  const { positionals, values } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      listen: { type: "string" },
      "mail-server": { type: "string" },
      name: { type: "string", multiple: true },
      into: { type: "string" },
    },
  });
  switch (positionals[0]) {
    case "auth":
      return await serve(
        startAuthService(addressOf(values["mail-server"]), addressOf(values.listen)),
        `the auth service, which knows "${DEMO_LOGIN}",`,
      );
    case "sink":
      return await serve(startMailServer(addressOf(values.listen)), "the mail sink");
    case "certificate":
      return await makeCertificate(values.name ?? [], values.into ?? ".");
    default:
      console.error(`expected "auth", "sink" or "certificate", found "${positionals[0] ?? ""}"`);
      return 2;
  }
}

function addressOf(text: string | undefined): DemoAddress {
  const [, hostname, port] = /^([^:]+):(\d+)$/.exec(text ?? "") ?? [];
  if (hostname === undefined || port === undefined) {
    throw new TypeError(`Expected an address such as "0.0.0.0:9000", found "${text ?? ""}"`);
  }
  return { hostname, port: Number(port) };
}

/** Serves until the container is stopped. */
async function serve(service: DemoService, what: string): Promise<number> {
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  for (const signal of ["SIGTERM", "SIGINT"] as const) Deno.addSignalListener(signal, ask);
  console.log(`${what} listens on port ${service.port}`);
  await asked;
  await service.stop();
  return 0;
}

async function makeCertificate(names: readonly string[], into: string): Promise<number> {
  const { certificate, key } = await selfSigned(names, 90);
  await Deno.writeTextFile(join(into, "key.pem"), key);
  await Deno.writeTextFile(join(into, "cert.pem"), certificate);
  for (const file of ["key.pem", "cert.pem"]) await Deno.chmod(join(into, file), READABLE);
  console.log(`made a certificate for ${names.join(", ")}`);
  return 0;
}

Deno.exit(await main(Deno.args));
