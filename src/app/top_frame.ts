/**
 * One picture of `postern top`: text for a terminal of a given size, made of two readings.
 *
 * @module
 */
import type { MetricPoint, TopChange, TopSession } from "./top_sample.ts";

/** Where the picture goes. */
export interface Screen {
  readonly columns: number;
  readonly rows: number;
  readonly colour: boolean;
}

/** Counters of what an operator wants to see when it happens, with the labels that tell which. */
const TROUBLES: readonly { readonly name: string; readonly title: string; readonly not?: RegExp }[] = [
  { name: "postern_sessions_ended_total", title: "ended", not: /^(?:relayed|quit|client_closed|shutdown)$/ },
  { name: "postern_callout_failures_total", title: "callout failed" },
  { name: "postern_upstream_failures_total", title: "mail server failed" },
  { name: "postern_callout_circuit_total", title: "circuit", not: /^(?:closed|probe)$/ },
  { name: "postern_guard_refusals_total", title: "guard refused" },
  { name: "postern_limit_hits_total", title: "limit" },
  { name: "postern_login_backoff_total", title: "after failed logins" },
  { name: "postern_log_lines_dropped_total", title: "log lines lost" },
  { name: "postern_messages_total", title: "message", not: /^accepted$/ },
  { name: "postern_not_smtp_total", title: "no SMTP" },
  { name: "postern_tls_refused_total", title: "TLS refused" },
];

const MOST_LISTENERS = 8;
const MOST_TROUBLES = 8;
/** At the end of a name that is longer, as other programs of this kind have it. */
const MARK_OF_CUT = "+";
/** Columns of a line of users behind the name; names get what a wide screen has besides. */
const WIDTH_BESIDE_USERS = 78;

/** The lines of the picture, none wider than the screen and no more than it has rows. */
export function renderFrame(change: TopChange, screen: Screen): string[] {
  const paint = new Paint(screen);
  const lines = [
    ...header(change, paint),
    "",
    ...listeners(change, paint),
    ...troubles(change, paint),
  ];
  lines.push("", ...users(change, paint, screen.rows - lines.length - 1));
  return lines.slice(0, screen.rows);
}

/** Instead of a picture, when there is nothing to show. */
export function renderNotice(text: string, screen: Screen): string[] {
  return [new Paint(screen).line([[text, screen.columns]])];
}

function header(change: TopChange, paint: Paint): string[] {
  const { now } = change;
  const build = now.points.find(({ name }) => name === "postern_build_info")?.labels["version"] ?? "?";
  const started = change.sum("process_start_time_seconds");
  const uptime = started > 0 ? durationText(now.at / 1000 - started) : "?";
  const up = change.sum("postern_worker_up");
  const workers = now.points.filter(({ name }) => name === "postern_worker_up").length;
  const cpu = change.rate("process_cpu_seconds_total") * 100;
  const memory = sizeText(change.sum("process_resident_memory_bytes"));
  const auth = (outcome: string) =>
    rateText(change.rate("postern_auth_total", (by) => by["outcome"] === outcome));
  const messages = (outcome: string) =>
    rateText(change.rate("postern_messages_total", (by) => by["outcome"] === outcome));
  const relayed = (direction: string) =>
    sizeText(change.rate("postern_relayed_bytes_total", (by) => by["direction"] === direction));
  return [
    paint.bold(
      `postern ${build}, up ${uptime}, workers ${up}/${workers}, CPU ${cpu.toFixed(0)} %, memory ${memory}`,
    ),
    paint.plain(
      `sessions ${now.total} open, ${rateText(change.rate("postern_sessions_started_total"))}/s new` +
        (now.holds === 0 ? "" : `, held users: ${now.holds}`),
    ),
    paint.plain(
      `sign-ins ${auth("accepted")}/s accepted, ${auth("refused")}/s refused, ${auth("failed")}/s failed`,
    ),
    paint.plain(
      `messages ${messages("accepted")}/s accepted, ${messages("rejected")}/s rejected, ` +
        `${messages("refused")}/s refused`,
    ),
    paint.plain(
      `latency p50/p95: callout ${latency(change, "callout_duration_seconds")}, ` +
        `connect ${latency(change, "upstream_connect_duration_seconds")}, ` +
        `server ready ${latency(change, "upstream_open_duration_seconds")}`,
    ),
    paint.plain(`relayed ${relayed("to_upstream")}/s to mail servers, ${relayed("to_client")}/s to clients`),
  ];
}

function latency(change: TopChange, histogram: string): string {
  const [median, high] = [0.5, 0.95].map((q) => change.quantile(`postern_${histogram}`, q));
  if (median == null || high == null) return "-";
  const [one, other] = [secondsText(median), secondsText(high)];
  const unit = other.slice(other.indexOf(" "));
  return `${one.endsWith(unit) ? one.slice(0, -unit.length) : one}/${other}`;
}

function listeners(change: TopChange, paint: Paint): string[] {
  const names = change.labelValues("postern_sessions", "listener");
  const width = Math.min(40, Math.max(8, ...names.map((name) => name.length)));
  const row = (name: string, open: string, fresh: string, ended: string) =>
    [[name, width], [open, -8], [fresh, -9], [ended, -9]] as Cell[];
  const lines = names.slice(0, MOST_LISTENERS).map((listener) => {
    const here = (by: MetricPoint["labels"]) => by["listener"] === listener;
    return paint.line(row(
      listener,
      String(change.sum("postern_sessions", here)),
      rateText(change.rate("postern_sessions_started_total", here)),
      rateText(change.rate("postern_sessions_ended_total", here)),
    ));
  });
  if (names.length > MOST_LISTENERS) lines.push(paint.plain(`and ${names.length - MOST_LISTENERS} more`));
  return [paint.bold(paint.text(row("LISTENER", "OPEN", "NEW/s", "ENDED/s"))), ...lines];
}

/** What goes wrong, most frequent first; nothing when nothing does. */
function troubles(change: TopChange, paint: Paint): string[] {
  const found = TROUBLES.flatMap(({ name, title, not }) =>
    change.rates(name).map(({ labels, rate }) => {
      const { listener: _listener, ...which } = labels;
      return { what: Object.values(which).join(" "), title, rate, not };
    })
  ).filter(({ what, not }) => not === undefined || !not.test(what));
  const rates = new Map<string, number>();
  for (const { title, what, rate } of found) {
    const key = `${title}: ${what}`;
    rates.set(key, (rates.get(key) ?? 0) + rate);
  }
  const rows = [...rates].toSorted(([, one], [, other]) => other - one).slice(0, MOST_TROUBLES);
  if (rows.length === 0) return [];
  return [
    "",
    paint.bold(paint.text([["TROUBLE", 40], ["/s", -8]])),
    ...rows.map(([what, rate]) => paint.alarm(paint.text([[what, 40], [rateText(rate), -8]]))),
  ];
}

interface UserRow {
  readonly name: string;
  count: number;
  bytes: number;
  readonly last: TopSession;
}

function users({ now }: TopChange, paint: Paint, room: number): string[] {
  const rows = new Map<string, UserRow>();
  for (const session of now.sessions) {
    const name = session.user ?? "-";
    const row = rows.get(name) ?? { name, count: 0, bytes: 0, last: session };
    row.count++;
    row.bytes += session.bytes;
    rows.set(name, row);
  }
  const cells = (
    name: string,
    count: string,
    bytes: string,
    state: string,
    client: string,
    upstream: string,
  ) =>
    [
      [name, Math.max(28, paint.columns - WIDTH_BESIDE_USERS)],
      [count, -8],
      [bytes, -9],
      [` ${state}`, 12],
      [client, 22],
      [upstream, 22],
    ] as Cell[];
  const sorted = [...rows.values()].toSorted((one, other) =>
    other.count - one.count || other.bytes - one.bytes || (one.name < other.name ? -1 : 1)
  );
  const all = Math.max(0, room - 1);
  const shown = sorted.length <= all ? all : Math.max(0, all - 1);
  const more = sorted.length <= shown || room < 2 ? [] : [paint.plain(`and ${sorted.length - shown} more`)];
  return [
    paint.bold(paint.text(cells("USER", "SESSIONS", "BYTES", "STATE", "CLIENT", "MAIL SERVER"))),
    ...sorted.slice(0, shown).map(({ name, count, bytes, last }) =>
      paint.line(cells(name, String(count), sizeText(bytes), last.state, last.client, last.upstream ?? "-"))
    ),
    ...more,
  ];
}

/** A text and its columns; less than 0 puts it to the right. */
type Cell = readonly [text: string, width: number];

class Paint {
  readonly columns: number;
  readonly #colour: boolean;

  constructor({ columns, colour }: Screen) {
    this.columns = columns;
    this.#colour = colour;
  }

  /** Cells with a space between them, cut at the screen's edge. */
  text(cells: readonly Cell[]): string {
    const text = cells.map(([each, width]) => width < 0 ? fitRight(each, -width) : fitLeft(each, width)).join(
      " ",
    );
    return clip(text, this.columns).trimEnd();
  }

  line(cells: readonly Cell[]): string {
    return this.text(cells);
  }

  plain(text: string): string {
    return clip(harmless(text), this.columns);
  }

  bold(text: string): string {
    return this.#wrap("1", this.plain(text));
  }

  alarm(text: string): string {
    return this.#wrap("31", this.plain(text));
  }

  #wrap(code: string, text: string): string {
    return this.#colour ? `\x1b[${code}m${text}\x1b[0m` : text;
  }
}

/** Names are peers' text: nothing in them may move the cursor, or take columns that are not counted. */
function harmless(text: string): string {
  return text.replace(/[\p{C}\p{M}\p{Zl}\p{Zp}]/gu, "?");
}

/** Columns that a terminal needs for a character. */
function columnsOf(character: string): number {
  return (character.codePointAt(0) ?? 0) >= 0x1100 ? 2 : 1;
}

function clip(text: string, columns: number): string {
  let used = 0;
  let kept = "";
  for (const character of text) {
    used += columnsOf(character);
    if (used > columns) break;
    kept += character;
  }
  return kept;
}

function fitLeft(text: string, columns: number): string {
  const whole = harmless(text);
  const fits = clip(whole, columns) === whole;
  const kept = fits ? whole : clip(whole, columns - MARK_OF_CUT.length) + MARK_OF_CUT;
  const used = [...kept].reduce((sum, character) => sum + columnsOf(character), 0);
  return kept + " ".repeat(columns - used);
}

function fitRight(text: string, columns: number): string {
  return clip(harmless(text), columns).padStart(columns);
}

function rateText(rate: number): string {
  return rate >= 100 ? rate.toFixed(0) : rate.toFixed(1);
}

function secondsText(seconds: number): string {
  if (seconds >= 10) return `${seconds.toFixed(0)} s`;
  return seconds >= 1 ? `${seconds.toFixed(1)} s` : `${(seconds * 1000).toFixed(seconds < 0.01 ? 1 : 0)} ms`;
}

function sizeText(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let value = bytes;
  let at = 0;
  while (value >= 1000 && at < units.length - 1) {
    value /= 1000;
    at++;
  }
  return `${at === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)} ${units[at]}`;
}

function durationText(seconds: number): string {
  const minutes = Math.max(0, Math.floor(seconds / 60));
  const [days, hours] = [Math.floor(minutes / 1440), Math.floor(minutes / 60) % 24];
  if (days > 0) return `${days} d ${hours} h`;
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`;
}
