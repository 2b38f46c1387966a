/**
 * Checks manifests against the schemas of Kubernetes and of the Prometheus operator: `validate.ts FILE...`. Prints
 * `file: what` for each mistake and exits with 1 when there is one.
 *
 * @module
 */
import { parseAllDocuments } from "yaml";

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}

/** A class of kubernetes-models. */
type Model = new (manifest: unknown) => { validate(): void };

const CORE = "npm:kubernetes-models@5.1.0";
const OPERATOR = "npm:@kubernetes-models/prometheus-operator@6.0.0";
/** Of kustomize itself, which has no schema there. */
const WITHOUT_SCHEMA = new Set(["Kustomization"]);

/** The mistakes in one manifest, in words. */
async function mistakesOf({ apiVersion, kind }: Manifest, manifest: unknown): Promise<string[]> {
  if (WITHOUT_SCHEMA.has(kind)) return [];
  const operator = apiVersion.startsWith("monitoring.coreos.com/");
  const module = await import(`${operator ? OPERATOR : CORE}/${apiVersion}/${kind}`).catch(() => null);
  if (module === null) return [`there is no ${kind} in ${apiVersion}`];
  const model = module[kind] as Model;
  try {
    new model(manifest).validate();
    return [];
  } catch (error) {
    return [`${kind}: ${error instanceof Error ? error.message : String(error)}`];
  }
}

let failed = false;
let count = 0;
for (const file of Deno.args) {
  for (const document of parseAllDocuments(await Deno.readTextFile(file))) {
    const manifest = document.toJS();
    count++;
    const mistakes = document.errors.length > 0
      ? document.errors.map((error) => error.message)
      : await mistakesOf(manifest, manifest);
    for (const mistake of mistakes) console.error(`${file}: ${mistake}`);
    failed ||= mistakes.length > 0;
  }
}
if (!failed) console.log(`kubernetes: ${count} manifests are valid`);
Deno.exit(failed ? 1 : 0);
