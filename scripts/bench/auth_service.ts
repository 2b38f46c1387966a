/**
 * The auth service of the bench, the same process for both proxies. It takes everybody; the request's path,
 * `/PORT`, says where the mail server is. Run by the bench.
 *
 * @module
 */
import { answerRequests, tell } from "./control.ts";

/** Where it listens. */
export interface AuthServiceReady {
  readonly port: number;
}

function answer(request: Request): Response {
  const port = request.url.slice(request.url.lastIndexOf("/") + 1);
  return new Response(null, {
    headers: { "Auth-Status": "OK", "Auth-Server": "127.0.0.1", "Auth-Port": port },
  });
}

if (import.meta.main) {
  Deno.serve({
    hostname: "127.0.0.1",
    port: 0,
    onListen: ({ port }) => tell({ port } satisfies AuthServiceReady),
  }, answer);
  await answerRequests(() => Promise.reject(new Error("the auth service is asked nothing")));
}
