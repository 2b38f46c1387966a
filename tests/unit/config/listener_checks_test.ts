import assert from "node:assert/strict";
import { loadBad, loadGood } from "./reading.ts";

function listening(...addresses: string[]): string {
  const servers = addresses.map((address) => `    - listen: ${JSON.stringify(address)}\n`);
  return `mail:\n  auth_http: 127.0.0.1:9000\n  servers:\n${servers.join("")}`;
}

Deno.test("two listeners on one address are refused, however it is written", () => {
  for (
    const [first, second, text] of [
      ["25", "*:25", "0.0.0.0:25"],
      ["127.0.0.1:24-26", "127.0.0.1:25", "127.0.0.1:25"],
      ["[::1]:25", "[0:0:0:0:0:0:0:1]:25 ssl", "[::1]:25"],
      ["unix:/run/p.sock", "unix:/run/p.sock", "unix:/run/p.sock"],
    ] as const
  ) {
    const problems = loadBad(listening(first, second));
    const expected =
      `postern.yaml:5:15: mail.servers[1].listen: duplicate "${text}" address and port pair: line 4 has it already`;
    assert.ok(problems.includes(expected), problems.join("\n"));
  }
});

Deno.test("listeners of both families, and any number on port 0, may stand side by side", () => {
  loadGood(
    listening(
      "*:25",
      "[::]:25",
      "127.0.0.1:0",
      "127.0.0.1:0",
      "*:26",
      "[::]:26 ipv6only=on",
      "[::1]:27 ipv6only=on",
    ),
  );
});

Deno.test("ipv6only is refused where the runtime cannot do it", () => {
  assert.match(
    loadBad(listening("[::]:25 ipv6only=on")).join(),
    /ipv6only=on cannot be honoured: .*"0\.0\.0\.0:25"/,
  );
  assert.match(
    loadBad(listening("[::]:25 ipv6only=off", "*:25")).join(),
    /ipv6only=off conflicts with "0\.0\.0\.0:25" in line 5/,
  );
});

Deno.test("an address for mail is none for the admin listener, however it is written", () => {
  const withAdmin = (address: string, ...listeners: string[]) =>
    listening(...listeners).replace("mail:\n", `mail:\n  admin_listen: ${JSON.stringify(address)}\n`);
  for (
    const [admin, listener, text] of [
      ["127.0.0.1:25", "127.0.0.1:25", "127.0.0.1:25"],
      ["[::1]:25", "[0:0:0:0:0:0:0:1]:25", "[::1]:25"],
      ["unix:/run/p.sock", "unix:/run/p.sock", "unix:/run/p.sock"],
    ] as const
  ) {
    assert.deepEqual(loadBad(withAdmin(admin, listener)), [
      `postern.yaml:2:17: mail.admin_listen: "${text}" is an address for mail: line 5 has it`,
    ]);
  }
  loadGood(withAdmin("127.0.0.1:0", "127.0.0.1:0"));
  loadGood(withAdmin("127.0.0.1:9901", "127.0.0.1:25"));
});
