import assert from "node:assert/strict";
import { join } from "node:path/posix";
import { fileURLToPath } from "node:url";
import { parse, parseAllDocuments } from "yaml";
import { loadConfig } from "../../../src/config/load.ts";
import type { Config } from "../../../src/config/settings.ts";
import { testCertificates } from "../../support/certificates.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const read = (path: string) => Deno.readTextFile(join(ROOT, path));

/** A configuration that is shipped, with files for the ones it names. */
async function shippedConfig(path: string): Promise<Config> {
  const { server } = await testCertificates();
  const config = loadConfig(await read(path), path, {
    readText: (file) => {
      if (/key/.test(file)) return server.key;
      return /crt|cert/.test(file) ? server.certificate : "0123456789abcdef0123456789abcdef\n";
    },
    hostname: () => "box.test",
  });
  assert.ok("servers" in config, JSON.stringify(config, null, 2));
  return config;
}

/** The ports that a configuration listens on. */
function portsOf(config: Config): number[] {
  return config.servers.flatMap(({ listen }) => listen)
    .map(({ address }) => address.kind === "tcp" ? address.port : -1)
    .toSorted((a, b) => a - b);
}

// deno-lint-ignore no-explicit-any -- manifests have no types here
type Manifest = any;

async function manifests(file: string): Promise<Manifest[]> {
  return parseAllDocuments(await read(`scripts/kubernetes/${file}`)).map((document) => document.toJS());
}

/** Seconds of a time such as "60s" or "1m". */
function secondsOf(text: string): number {
  const [, count, unit] = /^(\d+)(s|m)$/.exec(text)!;
  return Number(count) * (unit === "m" ? 60 : 1);
}

Deno.test("the container's configuration is good and listens where the compose file publishes", async () => {
  const config = await shippedConfig("scripts/container/postern.yaml");
  const { services } = parse(await read("scripts/container/compose.yaml"));
  const published = services.postern.ports.map((text: string) => text.split(":").slice(1).map(Number));
  for (const [outside, inside] of published) assert.equal(outside, inside);
  assert.deepEqual(portsOf(config), published.map(([, inside]: number[]) => inside).toSorted());
  const { auth_http } = config.servers[0]!;
  const [service] = Array.isArray(auth_http) ? auth_http : [auth_http];
  assert.deepEqual(service.address, { kind: "tcp", host: "auth", port: 9000 });
  assert.ok(services.auth.command.includes("0.0.0.0:9000"));
  const mailServer = services.auth.command.at(services.auth.command.indexOf("--mail-server") + 1);
  assert.equal(mailServer, "sink:2525");
  assert.ok(services.sink.command.includes("0.0.0.0:2525"));
});

Deno.test("the compose file mounts and builds what there is", async () => {
  const { services, volumes } = parse(await read("scripts/container/compose.yaml"));
  for (const service of Object.values<Manifest>(services)) {
    for (const mount of service.volumes ?? []) {
      const [source] = mount.split(":");
      if (source.startsWith(".")) await Deno.stat(join(ROOT, "scripts/container", source));
      else assert.ok(source in volumes, source);
    }
    const dockerfile = await Deno.readTextFile(
      join(ROOT, "scripts/container", service.build.context, service.build.dockerfile),
    );
    assert.match(dockerfile, new RegExp(`^FROM \\S+ AS ${service.build.target}$`, "m"));
  }
});

Deno.test("the image copies only what there is and what is not kept out of it", async () => {
  const dockerfile = await read("scripts/container/Dockerfile");
  const kept = (await read("scripts/container/Dockerfile.dockerignore")).split("\n")
    .filter((line) => line.startsWith("!")).map((line) => line.slice(1));
  const copied = [...dockerfile.matchAll(/^COPY (?!--from)(.*) \S+$/gm)].flatMap(([, list]) =>
    list!.split(" ")
  );
  assert.ok(copied.length > 0);
  for (const path of copied) {
    await Deno.stat(join(ROOT, path));
    assert.ok(kept.includes(path), `${path} is kept out of the build`);
  }
  const version = /^ARG DENO_VERSION=(\d+)\.(\d+)\./m.exec(dockerfile)!;
  assert.match(await read(".ci/run"), new RegExp(`deno@${version[1]}\\.${version[2]}\\b`));
});

Deno.test("the configuration for Kubernetes is good, and ports, probes and services agree with it", async () => {
  const config = await shippedConfig("scripts/kubernetes/postern.yaml");
  const deployment = (await manifests("deployment.yaml")).find(({ kind }) => kind === "Deployment");
  const { spec } = deployment.spec.template;
  const [container] = spec.containers;
  const named = new Map<string, number>(
    container.ports.map((port: Manifest) => [port.name, port.containerPort]),
  );
  const admin = config.main.admin_listen;
  assert.ok(admin?.kind === "tcp" && named.get("admin") === admin.port);
  const smtp = [...named].filter(([name]) => name !== "admin").map(([, port]) => port);
  assert.deepEqual(portsOf(config), smtp.toSorted((a, b) => a - b));
  for (const probe of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    assert.ok(named.has(container[probe].httpGet.port), probe);
  }
  for (const service of await manifests("service.yaml")) {
    for (const { targetPort } of service.spec.ports) assert.ok(named.has(targetPort), targetPort);
    for (const [label, value] of Object.entries(service.spec.selector)) {
      assert.equal(deployment.spec.template.metadata.labels[label], value);
    }
  }
  const mounts = container.volumeMounts.map(({ mountPath }: Manifest) => mountPath);
  for (const path of [config.main.admin_token_file!, config.servers[0]!.ssl_certificates[0]!.key]) {
    assert.ok(mounts.some((mount: string) => path.startsWith(mount + "/")), path);
  }
});

Deno.test("orchestrators give the drain the time that it takes", async () => {
  const { mail } = parse(await read("scripts/kubernetes/postern.yaml"));
  const deployment = (await manifests("deployment.yaml")).find(({ kind }) => kind === "Deployment");
  const { spec } = deployment.spec.template;
  const sleep = spec.containers[0].lifecycle.preStop.sleep.seconds;
  assert.ok(spec.terminationGracePeriodSeconds > sleep + secondsOf(mail.worker_shutdown_timeout));
  const unit = await read("scripts/systemd/postern.service");
  const { services } = parse(await read("scripts/container/compose.yaml"));
  // Without the directive the drain ends after ten seconds.
  assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)![1]) > 10);
  assert.ok(secondsOf(services.postern.stop_grace_period) > 10);
});

Deno.test("the alerts know Postern by the job that the example and the monitor give it", async () => {
  const { groups } = parse(await read("scripts/prometheus/alerts.yaml"));
  const jobs = groups.flatMap(({ rules }: Manifest) => rules)
    .flatMap(({ expr }: Manifest) => [...expr.matchAll(/job="([^"]*)"/g)].map(([, job]) => job));
  const { scrape_configs } = parse(await read("scripts/prometheus/prometheus.yaml"));
  const [{ spec: { jobLabel, selector } }] = await manifests("service_monitor.yaml");
  const labels = (await manifests("service.yaml")).map(({ metadata }) => metadata.labels)
    .find((each) => Object.entries(selector.matchLabels).every(([name, value]) => each[name] === value));
  for (const job of jobs) {
    assert.equal(job, scrape_configs[0].job_name);
    assert.equal(job, labels[jobLabel]);
  }
});

Deno.test("every manifest is in the kustomization", async () => {
  const [{ resources, configMapGenerator }] = await manifests("kustomization.yaml");
  const listed = [...resources, ...configMapGenerator.flatMap(({ files }: Manifest) => files)];
  const there = [...Deno.readDirSync(join(ROOT, "scripts/kubernetes"))].map(({ name }) => name)
    .filter((name) => name.endsWith(".yaml") && name !== "kustomization.yaml");
  assert.deepEqual(listed.toSorted(), there.toSorted());
});

Deno.test("the unit may bind ports below 1024 and has no other power of root", async () => {
  const unit = await read("scripts/systemd/postern.service");
  assert.match(unit, /^AmbientCapabilities=CAP_NET_BIND_SERVICE$/m);
  assert.match(unit, /^CapabilityBoundingSet=CAP_NET_BIND_SERVICE$/m);
  assert.match(unit, /^NoNewPrivileges=yes$/m);
});
