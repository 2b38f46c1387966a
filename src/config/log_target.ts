/** The `log` and `error_log` directives: where lines go, and from which level on. */
import type { LogLevel } from "../ports/telemetry.ts";
import type { LogTarget } from "./settings.ts";
import { nearName } from "./near_name.ts";
import { Refusal, scalar, type ScalarType } from "./value_type.ts";

const LEVELS: readonly LogLevel[] = ["debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"];

type Stream = "stderr" | "stdout" | "off";

/** Containers name the streams so in nginx's configuration; as files the runtime would not open them. */
const DEVICES: Readonly<Record<string, Stream>> = { "/dev/stderr": "stderr", "/dev/stdout": "stdout" };

/** `FILE|stderr|stdout|off [level]`. */
export const logTarget: ScalarType<LogTarget> = targetType(["stderr", "stdout", "off"], "info");

/** `FILE|stderr|stdout [level]`: in nginx, `off` would be the name of a file. */
export const errorLogTarget: ScalarType<LogTarget> = targetType(["stderr", "stdout"], "error");

/** A file name has no blanks, as they end it. */
function targetType(streams: readonly Stream[], defaultLevel: LogLevel): ScalarType<LogTarget> {
  const names = streams.map((name) => `"${name}"`).join(", ");
  return scalar({
    expected: `${names} or a file name, then a level: ${LEVELS.join(", ")}`,
    readText(text, reading) {
      const [name = "", levelName, ...rest] = text.split(/\s+/);
      if (name === "" || rest.length > 0) return new Refusal();
      if (/^(syslog|memory):/.test(name)) {
        return new Refusal(
          `Postern writes its log to a file or a stream, found ${JSON.stringify(name)}`,
          "unsupported",
        );
      }
      const level = levelName === undefined ? defaultLevel : LEVELS.find((known) => known === levelName);
      if (level === undefined) {
        const near = nearName(levelName ?? "", LEVELS);
        return new Refusal(
          near === null ? "" : `unknown level ${JSON.stringify(levelName)}: did you mean "${near}"?`,
        );
      }
      const stream = DEVICES[name] ?? streams.find((known) => known === name.toLowerCase());
      if (stream === undefined && name.toLowerCase() === "off") {
        return new Refusal('found "off", which nginx would take for the name of a file: leave it out');
      }
      return {
        to: stream === undefined ? { kind: "file", path: reading.filePath(name) } : { kind: stream },
        level,
      };
    },
    print: ({ to, level }) => `${to.kind === "file" ? to.path : to.kind} ${level}`,
  });
}
