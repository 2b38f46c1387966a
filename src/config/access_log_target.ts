/** The `access_log` directive: where a line for every session and every message goes, and in which format. */
import { logTarget } from "./log_target.ts";
import { nearName } from "./near_name.ts";
import type { AccessLogTarget } from "./settings.ts";
import { listOf, Refusal, scalar, type ScalarType, type ValueType } from "./value_type.ts";

const FORMATS = ["json", "text"] as const;
const EXPECTED = '"stderr", "stdout" or a file name, then "format=json" or "format=text"';

/** `FILE|stderr|stdout [format=json|text]`. */
const accessLogTarget: ScalarType<AccessLogTarget> = scalar({
  expected: EXPECTED,
  readText(text, reading) {
    const [name = "", parameter = "format=json", ...rest] = text.split(/\s+/);
    if (rest.length > 0) return new Refusal();
    const target = logTarget.readText(name, reading);
    if (target instanceof Refusal) return target;
    const { to } = target;
    if (to.kind === "off") return new Refusal('"off" stands alone, without a list and without a format');
    const format = FORMATS.find((known) => parameter === `format=${known}`);
    return format === undefined ? unknownParameter(parameter) : { to, format };
  },
  print: ({ to, format }) => `${to.kind === "file" ? to.path : to.kind} format=${format}`,
});

function unknownParameter(parameter: string): Refusal {
  const known = FORMATS.map((format) => `format=${format}`);
  const near = nearName(parameter, known);
  const hint = near === null ? `it may be ${known.join(" or ")}` : `did you mean "${near}"?`;
  return new Refusal(`unknown parameter ${JSON.stringify(parameter)} of an access log: ${hint}`);
}

const several = listOf(accessLogTarget, { expected: `${EXPECTED}, or "off"`, words: false });

/** One access log, a list of them, or `off`, which is no log. */
export const accessLogTargets: ValueType<readonly AccessLogTarget[]> = {
  ...several,
  read: (node, reading) =>
    node.kind === "scalar" && node.text.toLowerCase() === "off" ? [] : several.read(node, reading),
  print: (targets) => targets.length === 0 ? "off" : several.print(targets),
};
