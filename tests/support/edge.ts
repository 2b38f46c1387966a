/**
 * The proxy with an auth service in front of a test's own mail server: what nearly every e2e test begins with.
 *
 * @module
 */
import { type CertificateAndKey, type TestCertificates, testCertificates } from "./certificates.ts";
import { DialogueClient } from "./dialogue_client.ts";
import { type Environment, PosternProcess } from "./postern_process.ts";
import { type CalloutAnswer, type CalloutRequest, ScriptedCallout } from "./scripted_callout.ts";
import { withTempDir } from "./temp_dir.ts";

/** Directives by name; JSON is YAML, so values are written as JSON values. */
export type Directives = Readonly<Record<string, unknown>>;

/** The test certificates as files, for directives that want file names. */
export interface CertificateFiles {
  /** Directory of the test; removed at its end. */
  readonly directory: string;
  readonly made: TestCertificates;
  /** `ssl_certificate` and `ssl_certificate_key` for the given certificates, or for `server`. */
  server(...which: readonly ServerCertificate[]): Directives;
  /** File with the certificate of the root authority. */
  readonly root: string;
  readonly revocationList: string;
  /** Files of a client's certificate. */
  client(which: ClientCertificate): { readonly certificate: string; readonly key: string };
}

type ServerCertificate = "server" | "serverRsa" | "otherServer" | "wildcard" | "expiredServer";
type ClientCertificate =
  | "client"
  | "clientOfIntermediate"
  | "expiredClient"
  | "strangerClient"
  | "revokedClient";

/** What a test wants. */
export interface EdgeSetup {
  /** The auth service. */
  readonly callout: (request: CalloutRequest) => CalloutAnswer | Promise<CalloutAnswer>;
  /** Directives of `mail:`, besides `server_name: mail.test` and `auth_http`. */
  readonly mail?: (files: CertificateFiles) => Directives;
  /** Directives of each server; `listen: 127.0.0.1:0` unless said otherwise. Default: one plain server. */
  readonly servers?: (files: CertificateFiles) => readonly Directives[];
  readonly env?: Environment;
}

/** The running proxy and its surroundings. */
export interface Edge {
  readonly postern: PosternProcess;
  readonly callout: ScriptedCallout;
  readonly files: CertificateFiles;
  /** Connects to the `index`-th listener and, unless told otherwise, reads the greeting. */
  connect(index?: number, options?: { readonly greeting?: false }): Promise<DialogueClient>;
}

/** Runs `body` with a proxy process and an auth service; fails on what either of them found wrong. */
export async function withEdge(setup: EdgeSetup, body: (edge: Edge) => Promise<void>): Promise<void> {
  await withTempDir(async (directory) => {
    const files = await certificateFiles(directory);
    await using callout = new ScriptedCallout(setup.callout);
    const config = {
      mail: {
        server_name: "mail.test",
        auth_http: callout.url(),
        ...setup.mail?.(files),
        servers: (setup.servers?.(files) ?? [{}]).map((server) => ({ listen: "127.0.0.1:0", ...server })),
      },
    };
    await withPostern(config, directory, (postern) =>
      body({
        postern,
        callout,
        files,
        async connect(index = 0, options = {}) {
          const client = await DialogueClient.connect({ port: postern.port(index) });
          if (options.greeting !== false) await client.expect("220 mail.test ESMTP ready");
          return client;
        },
      }), setup.env);
  });
}

/** Runs `body` with a process that has this configuration, and stops it. */
export async function withPostern(
  config: Directives,
  directory: string,
  body: (postern: PosternProcess) => Promise<void>,
  env: Environment = {},
): Promise<void> {
  const file = `${directory}/postern.yaml`;
  await Deno.writeTextFile(file, JSON.stringify(config, null, 2));
  const postern = await PosternProcess.start(file, env);
  let failed = true;
  try {
    await body(postern);
    failed = false;
  } finally {
    // A failure of the body is the one to report; the process must end in either case.
    await (failed ? postern.stop().catch(() => {}) : postern.stop());
  }
}

/** Writes the test certificates below `directory`. */
export async function certificateFiles(directory: string): Promise<CertificateFiles> {
  const made = await testCertificates();
  for (const [name, value] of Object.entries(made)) {
    if (typeof value === "string" || !("key" in value)) continue;
    const { certificate, key } = value as CertificateAndKey;
    await Deno.writeTextFile(`${directory}/${name}.pem`, certificate);
    await Deno.writeTextFile(`${directory}/${name}.key`, key);
  }
  const root = `${directory}/root.pem`;
  const revocationList = `${directory}/root.crl`;
  await Deno.writeTextFile(root, made.root.certificate);
  await Deno.writeTextFile(revocationList, made.revocationList);
  return {
    directory,
    made,
    root,
    revocationList,
    server: (...which) => {
      const names = which.length === 0 ? ["server"] : which;
      return {
        ssl_certificate: names.map((name) => `${directory}/${name}.pem`),
        ssl_certificate_key: names.map((name) => `${directory}/${name}.key`),
      };
    },
    client: (which) => ({ certificate: `${directory}/${which}.pem`, key: `${directory}/${which}.key` }),
  };
}
