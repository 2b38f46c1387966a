import assert from "node:assert/strict";
import { tlsSettings } from "../../../src/app/tls_files.ts";
import { WatchedTls } from "../../../src/app/watched_tls.ts";
import { loadConfig } from "../../../src/config/load.ts";
import type { LogFields } from "../../../src/ports/telemetry.ts";
import { Authority, type CertificateAndKey } from "../../support/certificates.ts";
import { withTempDir } from "../../support/temp_dir.ts";
import { ManualClock } from "../auth/manual_clock.ts";

const LOOK_MS = 10_000;
const DAY_SECONDS = 86_400;

/** A certificate that is valid for so many days. */
async function issue(untilDays: number): Promise<CertificateAndKey> {
  const root = await Authority.create({ subject: "Root" });
  return await root.issue({ subject: "mail.test", names: ["mail.test"], untilDays });
}

/** TLS with the files `cert.pem` and `key.pem` of a directory. */
class Stage {
  readonly #tls: WatchedTls;

  private constructor(
    tls: WatchedTls,
    readonly clock: ManualClock,
    readonly events: { readonly event: string; readonly fields: LogFields }[],
  ) {
    this.#tls = tls;
  }

  static async open(directory: string, watch = "10s"): Promise<Stage> {
    const mail = {
      auth_http: "127.0.0.1:1",
      server_name: "mail.test",
      ssl_certificate: `${directory}/cert.pem`,
      ssl_certificate_key: `${directory}/key.pem`,
      ssl_certificate_watch: watch,
      servers: [{ listen: "25", starttls: "on" }],
    };
    const config = loadConfig(JSON.stringify({ mail }), "postern.yaml", {
      readText: (path) => Deno.readTextFileSync(path),
      hostname: () => "box.test",
    });
    assert.ok("servers" in config, JSON.stringify(config));
    const clock = new ManualClock();
    const events: Stage["events"] = [];
    const tls = await WatchedTls.open(tlsSettings(config.servers[0]!), {
      clock,
      log: {
        enabled: () => true,
        event: (_level, event, _message, _session, fields = {}) => void events.push({ event, fields }),
      },
    });
    return new Stage(tls, clock, events);
  }

  /** Days until the certificate in force expires. */
  get days(): number {
    return Math.round((this.#tls.certificates[0]!.notAfter - Date.now() / 1000) / DAY_SECONDS);
  }

  /** Lets the files be looked at once. */
  async look(): Promise<void> {
    this.clock.advance(LOOK_MS);
    await this.clock.armedFor(LOOK_MS);
  }

  close(): void {
    this.#tls.close();
    assert.equal(this.clock.armed, 0);
  }
}

async function write(directory: string, { certificate, key }: Partial<CertificateAndKey>): Promise<void> {
  if (certificate !== undefined) await Deno.writeTextFile(`${directory}/cert.pem`, certificate);
  if (key !== undefined) await Deno.writeTextFile(`${directory}/key.pem`, key);
}

Deno.test("a renewed certificate holds once its key is there too; until then the old one does", async () => {
  await withTempDir(async (directory) => {
    await write(directory, await issue(10));
    const stage = await Stage.open(directory);
    await stage.look();
    assert.deepEqual([stage.days, stage.events], [10, []]);

    const renewed = await issue(20);
    await write(directory, { certificate: renewed.certificate });
    await stage.look();
    // It is told once, not at every look.
    await stage.look();
    assert.deepEqual(stage.events.map(({ event }) => event), ["certificate_not_renewed"]);
    assert.match(String(stage.events[0]!.fields["reason"]), /the key does not belong to it/);
    assert.equal(stage.days, 10);

    await write(directory, { key: renewed.key });
    await stage.look();
    assert.deepEqual(stage.events.map(({ event }) => event).slice(1), ["certificate_renewed"]);
    assert.equal(stage.events[1]!.fields["certificate"], `${directory}/cert.pem`);
    assert.equal(stage.days, 20);
    stage.close();
  });
});

Deno.test("files that are broken or gone leave the old certificate in force", async () => {
  await withTempDir(async (directory) => {
    const first = await issue(10);
    await write(directory, first);
    const stage = await Stage.open(directory);
    await write(directory, { certificate: "nothing\n" });
    await stage.look();
    await Deno.remove(`${directory}/key.pem`);
    await stage.look();
    assert.deepEqual(stage.events.map(({ event }) => event), Array(2).fill("certificate_not_renewed"));
    assert.equal(stage.days, 10);
    await write(directory, await issue(30));
    await stage.look();
    assert.equal(stage.days, 30);
    stage.close();
  });
});

/** How others put new files in place: names that stay lead to them over symbolic links. */
const LINKED: Readonly<Record<string, (directory: string, generation: string) => Promise<void>>> = {
  // live/cert.pem -> ../archive/certN.pem, each set anew.
  certbot: async (directory, generation) => {
    for (const name of ["cert.pem", "key.pem"]) {
      await Deno.remove(`${directory}/${name}`).catch(() => {});
      await Deno.symlink(`${directory}/${generation}/${name}`, `${directory}/${name}`);
    }
  },
  // cert.pem -> ..data/cert.pem, ..data -> ..2026_11_28, which is exchanged at once.
  Kubernetes: async (directory, generation) => {
    await Deno.symlink(`${directory}/${generation}`, `${directory}/..data_tmp`);
    await Deno.rename(`${directory}/..data_tmp`, `${directory}/..data`);
    for (const name of ["cert.pem", "key.pem"]) {
      await Deno.symlink(`..data/${name}`, `${directory}/${name}`).catch(() => {});
    }
  },
};

for (const [who, link] of Object.entries(LINKED)) {
  Deno.test(`a certificate is renewed as ${who} does it`, async () => {
    await withTempDir(async (directory) => {
      for (const [generation, days] of [["one", 10], ["two", 20]] as const) {
        await Deno.mkdir(`${directory}/${generation}`);
        await write(`${directory}/${generation}`, await issue(days));
      }
      await link(directory, "one");
      const stage = await Stage.open(directory);
      await link(directory, "two");
      await stage.look();
      assert.deepEqual([stage.days, stage.events.map(({ event }) => event)], [20, ["certificate_renewed"]]);
      stage.close();
    });
  });
}

Deno.test("with ssl_certificate_watch off nothing is looked at", async () => {
  await withTempDir(async (directory) => {
    await write(directory, await issue(10));
    const stage = await Stage.open(directory, "off");
    assert.equal(stage.clock.armed, 0);
    stage.close();
  });
});
