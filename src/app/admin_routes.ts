/**
 * The paths of the admin listener.
 *
 * @module
 */
import { EXPOSITION_TYPE } from "../telemetry/metrics_text.ts";
import { type AdminAccess, judgeRequest } from "./admin_access.ts";
import type { SessionView } from "./admin_questions.ts";
import type { Hold } from "./hold_book.ts";

/** What is well, or what is not. */
export interface Verdict {
  readonly ok: boolean;
  readonly text: string;
}

/** A session and the worker that has it. */
export type WorkerSession = SessionView & { readonly worker: number };

/** What the listener tells and does. */
export interface AdminSource {
  /** `GET /metrics`, as text or as a value for JSON. */
  metrics(): Promise<string>;
  metricsAsJson(): Promise<unknown>;
  /** Whether the process works. */
  health(): Promise<Verdict>;
  /** Whether new connections are to come here. */
  readiness(): Promise<Verdict>;
  /** Who is connected: at most `most`, and how many there are. `silent` are the workers that gave no answer. */
  sessions(user: string | null, most: number): Promise<{
    readonly total: number;
    readonly silent: readonly number[];
    readonly sessions: readonly WorkerSession[];
  }>;
  /** Ends a session; false when there is none. */
  endSession(id: string): Promise<boolean>;
  holds(): readonly Hold[];
  /** Holds a user back for `seconds` at most; null when too many are. */
  hold(user: string, seconds: number): Hold | null;
  /** False when he was not held. */
  release(user: string): boolean;
}

/** Sessions in an answer that does not ask for another number. */
const MOST_SESSIONS = 1000;
/** Seconds that a user is held when nobody says otherwise: an hour, so that nobody is forgotten. */
const HOLD_SECONDS = 3600;
const MOST_HOLD_SECONDS = 7 * 86_400;
const LONGEST_USER = 320;

/** What a path does for each method; the word behind its last slash is given where it has one. */
type Methods = Readonly<Record<string, (request: AdminRequest) => Promise<Response> | Response>>;

interface AdminRequest {
  readonly source: AdminSource;
  readonly query: URLSearchParams;
  readonly headers: Headers;
  /** Decoded. */
  readonly word: string;
}

const PATHS: Readonly<Record<string, Methods>> = {
  "/healthz": { GET: async ({ source }) => answerVerdict(await source.health()) },
  "/readyz": { GET: async ({ source }) => answerVerdict(await source.readiness()) },
  "/metrics": {
    GET: async ({ source, headers }) => {
      if (headers.get("accept") === "application/json") return json(200, await source.metricsAsJson());
      return respond(200, await source.metrics(), EXPOSITION_TYPE);
    },
  },
  "/sessions": {
    GET: async ({ source, query }) => {
      const most = wholeNumber(query.get("limit"), 0, 100_000) ?? MOST_SESSIONS;
      return json(200, await source.sessions(query.get("user"), most));
    },
  },
  "/sessions/": {
    DELETE: async ({ source, word }) =>
      await source.endSession(word) ? json(200, { ended: word }) : problem(404, "no such session"),
  },
  "/holds": { GET: ({ source }) => json(200, { holds: source.holds() }) },
  "/holds/": {
    PUT: ({ source, word, query }) => {
      const given = query.get("seconds");
      const seconds = given === null ? HOLD_SECONDS : wholeNumber(given, 1, MOST_HOLD_SECONDS);
      if (seconds === null) return problem(400, `seconds must be a number from 1 to ${MOST_HOLD_SECONDS}`);
      const hold = source.hold(word, seconds);
      return hold === null ? problem(409, "too many users are held") : json(200, hold);
    },
    DELETE: ({ source, word }) =>
      source.release(word) ? json(200, { released: word }) : problem(404, "this user is not held"),
  },
};

/** Paths that tell nothing but whether the process is well, so that probes need no token. */
const OPEN = new Set(["/healthz", "/readyz"]);

/** Answers one request. Never rejects. */
export async function answerAdmin(
  request: Request,
  source: AdminSource,
  access: AdminAccess,
): Promise<Response> {
  try {
    const { pathname, searchParams } = new URL(request.url);
    const refusal = judgeRequest(request.headers, access, OPEN.has(pathname));
    if (refusal !== null) {
      const challenge: HeadersInit = refusal.status === 401 ? { "www-authenticate": "Bearer" } : {};
      return problem(refusal.status, refusal.text, challenge);
    }
    const { path, word } = takeApart(pathname);
    const methods = Object.hasOwn(PATHS, path) ? PATHS[path] : undefined;
    if (methods === undefined || word === null) return problem(404, "not found");
    const method = request.method === "HEAD" ? "GET" : request.method;
    const act = Object.hasOwn(methods, method) ? methods[method] : undefined;
    if (act !== undefined) return await act({ source, query: searchParams, headers: request.headers, word });
    const allowed = Object.keys(methods).flatMap((name) => name === "GET" ? ["GET", "HEAD"] : [name]);
    return problem(405, "method not allowed", { allow: allowed.join(", ") });
  } catch (error) {
    return problem(500, error instanceof Error ? error.message : String(error));
  }
}

/** `/sessions/ID` is the path `/sessions/` with the word `ID`; null for a word that cannot be one. */
function takeApart(pathname: string): { readonly path: string; readonly word: string | null } {
  const slash = pathname.lastIndexOf("/");
  if (slash <= 0) return { path: pathname, word: "" };
  const path = pathname.slice(0, slash + 1);
  try {
    const word = decodeURIComponent(pathname.slice(slash + 1));
    return { path, word: word === "" || word.length > LONGEST_USER ? null : word };
  } catch {
    return { path, word: null };
  }
}

function wholeNumber(text: string | null, least: number, most: number): number | null {
  const number = /^\d{1,9}$/.test(text ?? "") ? Number(text) : NaN;
  return number >= least && number <= most ? number : null;
}

function answerVerdict({ ok, text }: Verdict): Response {
  return respond(ok ? 200 : 503, text + "\n");
}

function json(status: number, value: unknown): Response {
  return respond(status, JSON.stringify(value) + "\n", "application/json");
}

function problem(status: number, text: string, headers: HeadersInit = {}): Response {
  return respond(status, text + "\n", "text/plain; charset=utf-8", headers);
}

function respond(
  status: number,
  body: string,
  type = "text/plain; charset=utf-8",
  headers: HeadersInit = {},
): Response {
  return new Response(body, {
    status,
    headers: {
      "content-type": type,
      "cache-control": "no-store",
      "x-content-type-options": "nosniff",
      ...headers,
    },
  });
}
