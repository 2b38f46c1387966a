/** The `log` directive: where the log goes, and from which level on. */
import type { LogLevel } from "../ports/telemetry.ts";
import type { LogTarget } from "./settings.ts";
import { nearName } from "./near_name.ts";
import { Refusal, scalar, type ScalarType } from "./value_type.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];
const STREAMS = ["stderr", "stdout", "off"] as const;
const DEFAULT_LEVEL: LogLevel = "info";

/** `FILE|stderr|stdout|off [level]`; a file name has no blanks, as they end it. */
export const logTarget: ScalarType<LogTarget> = scalar({
  expected: `"stderr", "stdout", "off" or a file name, then a level: ${LEVELS.join(", ")}`,
  readText(text, reading) {
    const [name = "", levelName, ...rest] = text.split(/\s+/);
    if (name === "" || rest.length > 0) return new Refusal();
    if (/^(syslog|memory):/.test(name)) {
      return new Refusal(
        `Postern writes its log to a file or a stream, found ${JSON.stringify(name)}`,
        "unsupported",
      );
    }
    const level = levelName === undefined ? DEFAULT_LEVEL : LEVELS.find((known) => known === levelName);
    if (level === undefined) {
      const near = nearName(levelName ?? "", LEVELS);
      return new Refusal(
        near === null ? "" : `unknown level ${JSON.stringify(levelName)}: did you mean "${near}"?`,
      );
    }
    const stream = STREAMS.find((known) => known === name.toLowerCase());
    return {
      to: stream === undefined ? { kind: "file", path: reading.filePath(name) } : { kind: stream },
      level,
    };
  },
  print: ({ to, level }) => `${to.kind === "file" ? to.path : to.kind} ${level}`,
});
