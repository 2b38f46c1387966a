import { encodeLatin1 } from "../../src/bytes/latin1.ts";

/** What the auth service says to everybody, over HTTP. */
export const AUTH_RESPONSE = encodeLatin1(
  "HTTP/1.1 200 OK\r\nauth-status: OK\r\nauth-server: 127.0.0.1\r\nauth-port: 2525\r\n" +
    "vary: Accept-Encoding\r\ncontent-length: 0\r\ndate: Mon, 23 Nov 2026 16:00:00 GMT\r\n\r\n",
);
