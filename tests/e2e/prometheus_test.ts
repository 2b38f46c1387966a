/**
 * Dashboard, alerts and the metrics themselves, tried with a real Prometheus: every query must be one, name metrics that
 * exist, and find something where something happened.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parse } from "@std/yaml";
import { fileURLToPath } from "node:url";
import { type Edge, withEdge } from "../support/edge.ts";
import { until, within } from "../support/patience.ts";
import { peerPath, peerTest, runPeer } from "../support/peers.ts";
import { accepted, refused } from "../support/scripted_callout.ts";
import { SmtpSink } from "../support/smtp_sink.ts";
import { withTempDir } from "../support/temp_dir.ts";

const SCRIPTS = fileURLToPath(new URL("../../scripts/", import.meta.url));
const DASHBOARD = `${SCRIPTS}grafana/postern.json`;
const ALERTS = `${SCRIPTS}prometheus/alerts.yaml`;
const TOKEN = "0123456789abcdef0123456789abcdef";

/** A query of the dashboard or of an alert. */
interface Query {
  readonly from: string;
  readonly expr: string;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly datasource?: { readonly type: string; readonly uid: string };
  readonly targets?: readonly {
    readonly expr: string;
    readonly refId: string;
    readonly legendFormat: string;
  }[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly schemaVersion: number;
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly name: string; readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly definition?: string;
      readonly allValue?: string;
    }[];
  };
}

function readDashboard(): Dashboard {
  return JSON.parse(Deno.readTextFileSync(DASHBOARD));
}

function dashboardQueries({ panels, annotations }: Dashboard): Query[] {
  return [
    ...panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ from: title, expr }))),
    ...annotations.list.map(({ name, expr }) => ({ from: name, expr })),
  ].map(({ from, expr }) => ({ from, expr: withVariables(expr) }));
}

/** As Grafana fills variables in when all is chosen. */
function withVariables(expr: string): string {
  return expr.replaceAll("$__rate_interval", "1m").replace(/\$(?:instance|listener)/g, ".*");
}

function alertQueries(): Query[] {
  const { groups } = parse(Deno.readTextFileSync(ALERTS)) as {
    groups: { rules: { alert: string; expr: string }[] }[];
  };
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ from: alert, expr })));
}

function metricsIn(expr: string): string[] {
  return [...expr.matchAll(/\b(?:postern|process)_[a-z_]+/g)].map(([name]) => name);
}

Deno.test("the dashboard is one: panels with ids and places of their own, known variables, one data source", () => {
  const { panels, uid, title, schemaVersion, templating } = readDashboard();
  assert.deepEqual([uid, title, schemaVersion], ["postern", "Postern", 38]);
  const variables = templating.list.map(({ name }) => name);
  assert.deepEqual(variables, ["datasource", "instance", "listener"]);
  // "All" has to be those that are Postern: process_* is in the metrics of other programs too.
  assert.equal(templating.list.find(({ name }) => name === "instance")?.allValue, undefined);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Set<string>();
  for (const { type, title, gridPos: { x, y, w, h }, datasource, targets = [] } of panels) {
    assert.ok(title !== "" && x >= 0 && w > 0 && h > 0 && x + w <= 24, title);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const place = `${column},${line}`;
        assert.ok(!taken.has(place), `${title} overlaps another panel`);
        taken.add(place);
      }
    }
    if (type === "row") continue;
    assert.match(type, /^(?:timeseries|stat|table)$/);
    assert.deepEqual(datasource, { type: "prometheus", uid: "${datasource}" });
    assert.ok(targets.length > 0, `${title} shows nothing`);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
    for (const { expr, legendFormat } of targets) {
      for (const [, name] of expr.matchAll(/\$(\w+)/g)) {
        assert.ok(name === "__rate_interval" || variables.includes(name!), `${title}: $${name}`);
      }
      const labels = [...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!);
      for (const label of labels) assert.ok(expr.includes(label), `${title}: ${label} is not in ${expr}`);
    }
  }
});

peerTest("promtool finds nothing wrong with metrics, alerts and the example", ["promtool"], async () => {
  await withBusyEdge(async ({ postern }) => {
    const text = await scrape((await postern.event("admin_listening"))["address"]);
    const lint = await runPeer("promtool", ["check", "metrics"], text);
    assert.deepEqual([lint.code, lint.stdout + lint.stderr], [0, ""]);
  });
  const rules = await runPeer("promtool", ["check", "rules", ALERTS]);
  assert.equal(rules.code, 0, rules.stdout + rules.stderr);
  const config = await runPeer("promtool", ["check", "config", `${SCRIPTS}prometheus/prometheus.yaml`]);
  assert.equal(config.code, 0, config.stdout + config.stderr);
});

peerTest(
  "a Prometheus takes the metrics, and every query of dashboard and alerts works",
  ["prometheus"],
  async () => {
    await withBusyEdge(async ({ postern }) => {
      const address = String((await postern.event("admin_listening"))["address"]);
      const told = await scrape(address);
      const families = new Set([...told.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!));
      const dashboard = dashboardQueries(readDashboard());
      for (const { from, expr } of [...dashboard, ...alertQueries()]) {
        for (const metric of metricsIn(expr)) {
          // File descriptors and the like are not asked for; a histogram has its name three times.
          const family = metric.replace(/_(?:bucket|sum|count)$/, "");
          assert.ok(families.has(metric) || families.has(family), `${from}: there is no ${metric}`);
        }
      }
      await withPrometheus(address, async (query) => {
        await until(
          async () => (await query("postern_sessions_started_total")).length > 0,
          () => "Prometheus has read nothing",
        );
        const early = Number((await query("max(timestamp(postern_build_info))"))[0]!.value[1]);
        // A rate needs two readings.
        await until(
          async () => Number((await query("max(timestamp(postern_build_info))"))[0]?.value[1]) > early,
          () => "Prometheus has not read again",
        );
        const shown = new Set<string>();
        for (const { from, expr } of [...dashboard, ...alertQueries()]) {
          if ((await query(expr)).length > 0) shown.add(from);
        }
        for (const panel of MUST_SHOW) assert.ok(shown.has(panel), `${panel} shows nothing`);
        const [sessions] = await query('sum(postern_sessions_ended_total{outcome="relayed"})');
        assert.equal(sessions?.value[1], String(SESSIONS));
      });
    });
  },
);

/** Panels that must show something after what {@linkcode withBusyEdge} does. */
const MUST_SHOW = [
  "Open sessions",
  "New sessions",
  "Workers that answer",
  "Sign-ins let in",
  "New sessions by listener",
  "Open sessions by state",
  "Sessions ended, by how",
  "Answers, by method",
  "Time of the auth service",
  "Dialogues",
  "Failures, by stage and code",
  "Messages",
  "Recipients",
  "Size of messages",
  "Octets relayed",
  "CPU",
  "Memory",
  "How far the loops of workers lag",
  "Handshakes with clients, by version and cipher",
  "Server names (SNI)",
  "Next certificate expires in",
  "Certificates in force",
];

const SESSIONS = 3;

/** A proxy with a token, and some sessions of all kinds behind it. */
async function withBusyEdge(body: (edge: Edge) => Promise<void>): Promise<void> {
  await using sink = new SmtpSink();
  await withEdge({
    callout: (request) => {
      switch (request.header("Auth-User")) {
        case "eve":
          return refused("Invalid login");
        case "lost":
          return accepted(1);
        default:
          return accepted(sink.port);
      }
    },
    mail: (files) => {
      Deno.writeTextFileSync(`${files.directory}/token`, TOKEN);
      return {
        ...files.server(),
        admin_listen: "127.0.0.1:0",
        admin_token_file: `${files.directory}/token`,
        xclient: "off",
        starttls: "on",
        worker_processes: 2,
      };
    },
  }, async (edge) => {
    for (const user of ["ada", "bob", "mia"]) {
      await using client = await edge.connect();
      await client.command("STARTTLS", /^220 /);
      await client.startTls();
      await client.authPlain(user, "secret");
      await client.sendMessage("Subject: x\r\n\r\nx\r\n");
      await client.quit();
    }
    for (const [user, code] of [["eve", /^535 /], ["lost", /^451 /]] as const) {
      await using client = await edge.connect();
      await client.authPlain(user, "secret", code);
    }
    for (let conn = 1; conn <= SESSIONS + 2; conn++) {
      await edge.postern.event("session_closed", (line) => line["conn"] === conn);
    }
    await body(edge);
  });
}

async function scrape(address: unknown): Promise<string> {
  const response = await fetch(`http://${address}/metrics`, {
    headers: { authorization: `Bearer ${TOKEN}` },
  });
  assert.equal(response.status, 200);
  return await response.text();
}

interface Sample {
  readonly metric: Readonly<Record<string, string>>;
  readonly value: readonly [seconds: number, value: string];
}

/** Runs a Prometheus that scrapes `address`; `query` fails for what is no query. */
async function withPrometheus(
  address: string,
  body: (query: (expr: string) => Promise<readonly Sample[]>) => Promise<void>,
): Promise<void> {
  await withTempDir(async (directory) => {
    const config = {
      global: { scrape_interval: "1s" },
      scrape_configs: [{
        job_name: "postern",
        authorization: { credentials: TOKEN },
        static_configs: [{ targets: [address] }],
      }],
    };
    await Deno.writeTextFile(`${directory}/prometheus.yml`, JSON.stringify(config));
    const child = new Deno.Command(peerPath("prometheus"), {
      args: [
        `--config.file=${directory}/prometheus.yml`,
        `--storage.tsdb.path=${directory}/data`,
        "--web.listen-address=127.0.0.1:0",
        "--log.format=json",
      ],
      stdin: "null",
      stdout: "null",
      stderr: "piped",
    }).spawn();
    const { address: own, done } = listeningAddress(child.stderr);
    try {
      const base = `http://${await within(own, () => "Prometheus does not listen")}/api/v1/query`;
      await body(async (expr) => {
        const response = await fetch(base, { method: "POST", body: new URLSearchParams({ query: expr }) });
        const { status, error, data } = await response.json();
        assert.equal(status, "success", `${expr}: ${error}`);
        return data.result;
      });
    } finally {
      child.kill("SIGTERM");
      await child.status;
      await done;
    }
  });
}

/** What Prometheus says of where it listens, once it answers there; the rest of what it says is read and forgotten. */
function listeningAddress(log: ReadableStream<Uint8Array<ArrayBuffer>>) {
  const { promise: address, resolve, reject } = Promise.withResolvers<string>();
  address.catch(() => {});
  const read = async () => {
    let text = "";
    for await (const part of log.pipeThrough(new TextDecoderStream())) {
      text += part;
      const found = /"address":"(127\.0\.0\.1:[1-9]\d*)"/.exec(text)?.[1];
      if (found !== undefined && text.includes("Server is ready")) resolve(found);
    }
    reject(new Error(`Prometheus ended:\n${text}`));
  };
  return { address, done: read() };
}
