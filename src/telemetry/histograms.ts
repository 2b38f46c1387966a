import type { HistogramName } from "../ports/telemetry.ts";

/** What a histogram measures. */
export interface HistogramRow {
  /** One sentence for `# HELP`. */
  readonly help: string;
  /** Upper bounds of the buckets, ascending, without the infinite one. */
  readonly bounds: readonly number[];
}

const QUICK_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const LONG_SECONDS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200, 86400];
const SIZE_BYTES = [1024, 4096, 16384, 65536, 262144, 1048576, 4194304, 16777216, 67108864];

/** One row per histogram; a missing row is a type error. Its name is `postern_<row>`. */
export const HISTOGRAMS: Readonly<Record<HistogramName, HistogramRow>> = {
  session_duration_seconds: { help: "Time from accept to close.", bounds: LONG_SECONDS },
  tls_handshake_duration_seconds: { help: "Time of TLS handshakes with clients.", bounds: QUICK_SECONDS },
  callout_duration_seconds: { help: "Time the auth service took to answer.", bounds: QUICK_SECONDS },
  upstream_connect_duration_seconds: { help: "Time to connect to a mail server.", bounds: QUICK_SECONDS },
  upstream_open_duration_seconds: {
    help: "Time from connecting to a mail server until it was ready for the relay, or failed.",
    bounds: QUICK_SECONDS,
  },
  relay_duration_seconds: { help: "Time of relays, from the login to the close.", bounds: LONG_SECONDS },
  message_duration_seconds: { help: "Time from MAIL to the final reply.", bounds: LONG_SECONDS },
  message_size_bytes: { help: "Content of messages that clients sent.", bounds: SIZE_BYTES },
};
