import assert from "node:assert/strict";
import { Guarded, type GuardedOptions } from "./guarded.ts";

const MAIL = "MAIL FROM:<a@b.test>\r\n";
const RCPT = "RCPT TO:<c@d.test>\r\n";
const TLD = "250 2.1.0 Ok\r\n";
const GO = "354 Go ahead\r\n";
const QUEUED = "250 2.0.0 Ok: queued as 4FJqG1s0zgz\r\n";
const LOST = "421 4.4.2 mx.test Lost the connection to the mail server\r\n";
const BROKEN = "421 4.3.0 mx.test The mail server sent an invalid reply\r\n";

/** Runs `play` with all octets at once, and one at a time; the result must be the same. */
function everySegmentation(
  options: GuardedOptions,
  play: (guarded: Guarded) => void,
): Guarded {
  const [whole, ...others] = [Infinity, 1, 2, 3, 5].map((segment) => {
    const guarded = new Guarded({ ...options, segment });
    play(guarded);
    return guarded;
  });
  for (const other of others) {
    assert.deepEqual(
      [other.up, other.down, other.told(), other.refusals(), other.guard.over],
      [whole!.up, whole!.down, whole!.told(), whole!.refusals(), whole!.guard.over],
    );
  }
  return whole!;
}

/** A transaction up to its data. */
function sending(guarded: Guarded): Guarded {
  return guarded.client(MAIL + RCPT + "DATA\r\n").server(TLD + TLD + GO);
}

Deno.test("two messages in pipelined groups pass as they are, and are told of", () => {
  const guarded = everySegmentation({}, (guarded) => {
    sending(guarded).client("Subject: x\r\n\r\n..dot\r\n.\r\n" + MAIL + RCPT + RCPT + "DATA\r\n");
    guarded.server(QUEUED + TLD + TLD + "550 5.1.1 no\r\n" + GO);
    guarded.client("y\r\n.\r\nQUIT\r\n").server("550 5.7.1 spam\r\n221 bye\r\n");
  });
  assert.equal(
    guarded.up,
    MAIL + RCPT + "DATA\r\nSubject: x\r\n\r\n..dot\r\n.\r\n" + MAIL + RCPT + RCPT +
      "DATA\r\ny\r\n.\r\nQUIT\r\n",
  );
  assert.equal(
    guarded.down,
    TLD + TLD + GO + QUEUED + TLD + TLD + "550 5.1.1 no\r\n" + GO + "550 5.7.1 spam\r\n221 bye\r\n",
  );
  assert.deepEqual(guarded.told(), [
    "accepted <a@b.test> 1+0 21 250 4FJqG1s0zgz -",
    "rejected <a@b.test> 1+1 3 550 - -",
  ]);
});

Deno.test("what is sent behind DATA waits for its reply, and is commands when that is no 354", () => {
  everySegmentation({}, (guarded) => {
    guarded.client(MAIL + "DATA\r\nRSET\r\n.\r\nXCLIENT ADDR=1.2.3.4\r\n");
    assert.equal(guarded.up, MAIL + "DATA\r\n");
    guarded.server(TLD + "554 5.5.1 no valid recipients\r\n");
    assert.equal(guarded.up, MAIL + "DATA\r\nRSET\r\n");
    guarded.server("250 reset\r\n");
    assert.equal(
      guarded.down,
      TLD +
        "554 5.5.1 no valid recipients\r\n250 reset\r\n500 5.5.1 Invalid command\r\n550 5.7.0 Not authorized\r\n",
    );
    assert.deepEqual(guarded.told(), ["rejected <a@b.test> 0+0 0 554 - -"]);
  });
});

Deno.test("Postern's own replies stand at their place among those of the mail server", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client(
      "NOOP\r\nAUTH PLAIN x\r\nRSET\r\nSTARTTLS\r\nFOO\r\nxclient addr=1\r\nXFORWARD NAME=x\r\nVRFY x\r\n",
    );
    assert.equal(guarded.down, "");
    guarded.server("250-one\r\n");
    assert.equal(guarded.down, "250-one\r\n");
    guarded.server("250 two\r\n");
    assert.equal(guarded.down, "250-one\r\n250 two\r\n503 5.5.1 Bad sequence of commands\r\n");
    guarded.server("250 reset\r\n252 maybe\r\n");
  });
  assert.equal(guarded.up, "NOOP\r\nRSET\r\nVRFY x\r\n");
  assert.equal(
    guarded.down.slice("250-one\r\n250 two\r\n503 5.5.1 Bad sequence of commands\r\n".length),
    "250 reset\r\n503 5.5.1 Bad sequence of commands\r\n500 5.5.1 Invalid command\r\n" +
      "550 5.7.0 Not authorized\r\n550 5.7.0 Not authorized\r\n252 maybe\r\n",
  );
});

Deno.test("a later EHLO is answered with what Postern announces and the mail server has, in any segmentation", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client("NOOP\r\nEHLO again\r\nNOOP\r\n");
    guarded.server(
      "250 a\r\n250-back.test\r\n250-STARTTLS\r\n250-AUTH PLAIN\r\n250-XCLIENT ADDR\r\n250 8BITMIME\r\n250 b\r\n",
    );
  });
  assert.equal(guarded.down, "250 a\r\n250-mx.test\r\n250 8BITMIME\r\n250 b\r\n");
});

Deno.test("an EHLO that the mail server refuses is refused, and HELO is answered by it", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client("EHLO again\r\nHELO again\r\n").server("502-no\r\n502 such\r\n250 back.test\r\n");
  });
  assert.equal(guarded.down, "502-no\r\n502 such\r\n250 back.test\r\n");
});

Deno.test("a mail server without PIPELINING gets one command at a time", () => {
  everySegmentation({ offered: [] }, (guarded) => {
    guarded.client(MAIL + RCPT + "RSET\r\n");
    assert.equal(guarded.up, MAIL);
    guarded.server(TLD);
    assert.equal(guarded.up, MAIL + RCPT);
    guarded.server(TLD);
    assert.equal(guarded.up, MAIL + RCPT + "RSET\r\n");
  });
});

Deno.test("chunks pass octet for octet, with anything in them, and are counted", () => {
  const chunk = "\r\n.\r\n\n.\n\0QUIT\r\n";
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client(
      `${MAIL}${RCPT}BDAT ${chunk.length}\r\n${chunk}bdat 3 last\r\nabcMAIL FROM:<>\r\nBDAT 0 LAST\r\n`,
    );
    guarded.server(TLD + TLD + "250 more\r\n" + QUEUED + TLD + "503 no\r\n");
  });
  assert.equal(
    guarded.up,
    `${MAIL}${RCPT}BDAT ${chunk.length}\r\n${chunk}bdat 3 last\r\nabcMAIL FROM:<>\r\nBDAT 0 LAST\r\n`,
  );
  assert.deepEqual(guarded.told(), [
    `accepted <a@b.test> 1+0 ${chunk.length + 3} 250 4FJqG1s0zgz -`,
    "rejected <> 0+0 0 503 - -",
  ]);
});

Deno.test("BDAT is refused with its chunk where Postern does not announce it or the mail server has none", () => {
  for (const options of [{ offered: ["PIPELINING"] }, { rules: { announced: new Set<string>() } }]) {
    const guarded = everySegmentation(options, (guarded) => {
      guarded.client(MAIL + "BDAT 7 LAST\r\nQUIT\r\n\nRSET\r\n").server(TLD + "250 reset\r\n");
    });
    assert.equal(guarded.up, MAIL + "RSET\r\n");
    assert.equal(guarded.down, TLD + "502 5.5.1 Command not implemented\r\n250 reset\r\n");
  }
});

Deno.test("BDAT without a number ends the session: nobody knows where its chunk ends", () => {
  for (
    const bad of ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 FIRST", "BDAT 99999999999999999", "BDAT 0x10 LAST"]
  ) {
    const guarded = everySegmentation({}, (guarded) => guarded.client(`${bad}\r\nMAIL FROM:<x@y.test>\r\n`));
    assert.deepEqual([guarded.up, guarded.down, guarded.guard.over], [
      "",
      "501 5.5.4 Invalid argument\r\n",
      true,
    ]);
  }
});

for (
  const [name, sequence] of [["a bare LF", "x\ny"], ["a bare CR", "x\ry"], [
    "a false end",
    "x\r\n.\nQUIT\r\n",
  ]] as const
) {
  Deno.test(`content with ${name} is refused with 521, the mail server is cut off and the session ends`, () => {
    const guarded = everySegmentation({}, (guarded) => {
      sending(guarded).client(`a\r\n${sequence}\r\n.\r\nMAIL FROM:<evil@x.test>\r\n`);
      guarded.up = "";
    });
    assert.equal(
      guarded.down,
      TLD + TLD + GO + "521 5.5.2 mx.test Error: CR or LF of its own received, closing connection\r\n",
    );
    assert.equal(guarded.guard.cut && guarded.guard.over, true);
    assert.match(guarded.told()[0]!, /^refused .* 521 - (bare_newline|smuggling)$/);
  });
}

Deno.test("a bare LF in a command is refused behind the replies that are still awaited", () => {
  const guarded = everySegmentation({}, (guarded) => {
    sending(guarded).client("x\r\n.\r\nNOOP\nMAIL FROM:<evil@x.test>\r\n");
    assert.equal(guarded.guard.over, false);
    guarded.server(QUEUED);
  });
  assert.equal(
    guarded.down,
    TLD + TLD + GO + QUEUED + "521 5.5.2 mx.test Error: CR or LF of its own received, closing connection\r\n",
  );
  assert.equal(guarded.up.endsWith("x\r\n.\r\n"), true);
  assert.deepEqual([guarded.told(), guarded.guard.over], [
    ["accepted <a@b.test> 1+0 3 250 4FJqG1s0zgz -"],
    true,
  ]);
});

Deno.test("a command with a NUL that ends with a bare LF is refused for the LF, and nothing behind it is read", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client("NOOP \0\nMAIL FROM:<evil@x.test>\r\n");
  });
  assert.equal(guarded.up, "");
  assert.equal(
    guarded.down,
    "521 5.5.2 mx.test Error: CR or LF of its own received, closing connection\r\n",
  );
  assert.equal(guarded.guard.over, true);
});

for (const bareNewline of ["normalize", "pass"] as const) {
  Deno.test(`commands that end with a bare LF go on with CRLF where line ends ${bareNewline}; a CR within is refused`, () => {
    const guarded = everySegmentation({ rules: { data: { bareNewline } } }, (guarded) => {
      guarded.client("NOOP\nRSET\r\nNOOP x\ry\r\nVRFY z\n").server("250 a\r\n250 b\r\n252 c\r\n");
    });
    assert.equal(guarded.up, "NOOP\r\nRSET\r\nVRFY z\r\n");
    assert.equal(guarded.down, "250 a\r\n250 b\r\n500 5.5.1 Invalid command\r\n252 c\r\n");
  });
}

Deno.test("SIZE= over the limit gets 552 at once, and the rest of the group fails at the mail server", () => {
  const guarded = everySegmentation({ rules: { data: { maxOctets: 1000 } } }, (guarded) => {
    guarded.client("MAIL FROM:<a@b.test> SIZE=1001 BODY=8BITMIME\r\n" + RCPT + "DATA\r\n");
    guarded.server("503 a\r\n503 b\r\n").client("MAIL FROM:<a@b.test> size=1000\r\n").server(TLD);
  });
  assert.equal(guarded.up, RCPT + "DATA\r\nMAIL FROM:<a@b.test> size=1000\r\n");
  assert.equal(guarded.down, "552 5.3.4 Message size exceeds fixed limit\r\n503 a\r\n503 b\r\n" + TLD);
  assert.deepEqual(guarded.told(), ["refused <a@b.test> 0+0 0 552 - message_too_large"]);
});

Deno.test("SIZE= does not go to a mail server that has no SIZE", () => {
  const guarded = everySegmentation({ offered: ["PIPELINING"] }, (guarded) => {
    guarded.client('MAIL FROM:<"a> SIZE=3"@b.test> SIZE=10 BODY=8BITMIME\r\nMAIL FROM:<> SIZE=1\r\n');
  });
  assert.equal(guarded.up, 'MAIL FROM:<"a> SIZE=3"@b.test> BODY=8BITMIME\r\nMAIL FROM:<>\r\n');
});

Deno.test("a body that grows too large is refused at its end, and never ends at the mail server", () => {
  for (const rest of ["", "more\r\n".repeat(100)]) {
    const guarded = everySegmentation({ rules: { data: { maxOctets: 20 } } }, (guarded) => {
      sending(guarded).client("x".repeat(30) + "\r\n" + rest);
      guarded.client(".\r\nMAIL FROM:<x@y.test>\r\n");
      guarded.up = guarded.up.endsWith("\r\n.\r\n") ? "ended" : "";
      // The octets that were read before it was known differ with the segmentation.
      const record = guarded.records()[0]!;
      (record as { octets: number }).octets = 0;
    });
    assert.equal(guarded.down, TLD + TLD + GO + "552 5.3.4 Message size exceeds fixed limit\r\n");
    assert.deepEqual([guarded.up, guarded.guard.cut, guarded.guard.over], ["", true, true]);
    assert.deepEqual(guarded.told(), ["refused <a@b.test> 1+0 0 552 - message_too_large"]);
  }
});

Deno.test("chunks that grow too large are refused, and the last one never reaches the mail server", () => {
  const guarded = everySegmentation({ rules: { data: { maxOctets: 10 } } }, (guarded) => {
    guarded.client(
      MAIL + RCPT + "BDAT 6\r\n123456BDAT 5\r\n78901BDAT 0 LAST\r\nDATA\r\nRSET\r\nMAIL FROM:<z@z.test>\r\n",
    );
    guarded.server(TLD + TLD + "250 6\r\n250 reset\r\n").server(TLD);
  });
  assert.equal(guarded.up, MAIL + RCPT + "BDAT 6\r\n123456RSET\r\nMAIL FROM:<z@z.test>\r\n");
  assert.equal(
    guarded.down,
    TLD + TLD +
      "250 6\r\n552 5.3.4 Message size exceeds fixed limit\r\n503 5.5.1 Bad sequence of commands\r\n" +
      "503 5.5.1 Bad sequence of commands\r\n250 reset\r\n" + TLD,
  );
  assert.deepEqual(guarded.told(), ["refused <a@b.test> 1+0 6 552 - message_too_large"]);
});

Deno.test("NULs and long lines in a content are refused at its end", () => {
  for (
    const [data, content, reply, reason] of [
      [{}, "a\0b\r\n", "550 5.6.0 Message or command with a NUL octet\r\n", "nul"],
      [
        { longLine: "reject" },
        "x".repeat(999) + "\r\n",
        "550 5.6.0 Message with a line of more than 1000 octets\r\n",
        "line_too_long",
      ],
    ] as const
  ) {
    const guarded = everySegmentation({ rules: { data } }, (guarded) => {
      sending(guarded).client("one\r\n" + content);
      assert.equal(guarded.guard.over, false);
      guarded.client("..\r\nlast\r\n.\r\n");
      guarded.up = "";
    });
    assert.equal(guarded.down, TLD + TLD + GO + reply);
    assert.deepEqual([guarded.refusals(), guarded.guard.over], [[reason], true]);
  }
});

Deno.test("recipients over the limit get 452, those refused by the mail server do not count", () => {
  const guarded = everySegmentation({ rules: { maxRecipients: 2 } }, (guarded) => {
    guarded.client(MAIL + RCPT + RCPT + RCPT).server(TLD + TLD + "550 no\r\n");
    guarded.client(RCPT + RCPT).server(TLD);
  });
  assert.equal(
    guarded.down,
    TLD + TLD + "550 no\r\n" + "452 4.5.3 Too many recipients\r\n" + TLD +
      "452 4.5.3 Too many recipients\r\n",
  );
  assert.equal(guarded.up, MAIL + RCPT + RCPT + RCPT);
});

Deno.test("messages over the limit of the session get 421 behind what is awaited, and the session ends", () => {
  const guarded = everySegmentation({ rules: { maxMessages: 1 } }, (guarded) => {
    guarded.client(MAIL).server("451 not now\r\n");
    sending(guarded).client("x\r\n.\r\n" + MAIL + RCPT).server(QUEUED);
  });
  assert.equal(
    guarded.down,
    "451 not now\r\n" + TLD + TLD + GO + QUEUED +
      "421 4.7.0 mx.test Too many messages in one session, closing connection\r\n",
  );
  assert.equal(guarded.guard.over, true);
  assert.deepEqual(guarded.told().map((line) => line.split(" ")[0]), ["rejected", "accepted", "refused"]);
});

Deno.test("a session that begins inside a transaction counts it", () => {
  const start = { envelope: { mail: "MAIL FROM:<a@b.test> SIZE=3", rcptCode: 250 } };
  const guarded = everySegmentation({ start, rules: { maxMessages: 1, maxRecipients: 2 } }, (guarded) => {
    guarded.client(RCPT + RCPT + "DATA\r\n").server("550 no\r\n" + GO).client("x\r\n.\r\n").server(QUEUED);
    guarded.client(MAIL);
  });
  assert.deepEqual(
    guarded.told(),
    [
      "accepted <a@b.test> 1+2 3 250 4FJqG1s0zgz -",
      "refused <a@b.test> 0+0 0 421 - too_many_messages",
    ].map((line, at) => at === 0 ? line.replace("1+2", "1+2") : line),
  );
});

Deno.test("who limits messages and recipients is asked at MAIL and RCPT, and says what the client hears", () => {
  const asked: string[] = [];
  const guarded = everySegmentation({
    admit: ({ kind, path }) => {
      asked.push(`${kind} ${path}`);
      if (path === "no@b.test") return { reply: "450 4.7.1 later", close: false };
      return path === "end@b.test" ? { reply: "421 4.7.0 too much", close: true } : null;
    },
  }, (guarded) => {
    asked.length = 0;
    guarded.client(
      "MAIL FROM:<no@b.test>\r\n" + MAIL + "RCPT TO:<no@b.test>\r\n" + RCPT + "RCPT TO:<end@b.test>\r\n" +
        RCPT,
    );
    guarded.server(TLD + TLD);
  });
  assert.deepEqual(asked, [
    "message no@b.test",
    "message a@b.test",
    "recipient no@b.test",
    "recipient c@d.test",
    "recipient end@b.test",
  ]);
  assert.equal(guarded.up, MAIL + RCPT);
  assert.equal(
    guarded.down,
    "450 4.7.1 later\r\n" + TLD + "450 4.7.1 later\r\n" + TLD + "421 4.7.0 too much\r\n",
  );
  assert.equal(guarded.guard.over, true);
});

Deno.test("a reply of class 4 or 5 that nobody asked for passes and is the last", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.server("421-4.3.2 going\r\n421 down\r\n250 what\r\n");
  });
  assert.deepEqual([guarded.down, guarded.guard.over], ["421-4.3.2 going\r\n421 down\r\n", true]);
});

Deno.test("a refusal in the middle of a message passes, and the message is rejected", () => {
  const guarded = everySegmentation(
    {},
    (guarded) => sending(guarded).client("half\r\n").server("552 5.3.4 too big\r\n"),
  );
  assert.equal(guarded.down, TLD + TLD + GO + "552 5.3.4 too big\r\n");
  assert.deepEqual([guarded.told(), guarded.guard.over], [["rejected <a@b.test> 1+0 6 552 - -"], true]);
});

Deno.test("a success that nobody asked for never reaches the client, who could take it for its message's", () => {
  for (const early of ["250 2.0.0 Ok: queued as FORGED\r\n", "354 go\r\n", "250-a\r\n250 b\r\n"]) {
    const guarded = everySegmentation({}, (guarded) => {
      sending(guarded).client("half\r\n").server(early).client(".\r\n");
    });
    assert.equal(guarded.down, TLD + TLD + GO + BROKEN);
    assert.equal(guarded.guard.over, true);
    guarded.guard.finish(0);
    assert.equal(guarded.told()[0]!.split(" ")[0], "aborted");
  }
});

Deno.test("what is no reply ends the session", () => {
  for (
    const bad of [
      "hello\r\n",
      "250 ok\n",
      "250 a\rb\r\n",
      "25x\r\n",
      "150 a\r\n",
      "250-a\r\n550 b\r\n",
      "250_a\r\n",
      "\r\n",
      "999 x\r\n",
      "250 \0\r\n",
    ]
  ) {
    const guarded = everySegmentation(
      {},
      (guarded) => guarded.client("NOOP\r\n").server(bad + "250 late\r\n"),
    );
    const half = bad.startsWith("250-");
    assert.equal(guarded.down, half ? "250-a\r\n" : BROKEN, JSON.stringify(bad));
    assert.equal(guarded.guard.over, true);
  }
});

Deno.test("a reply line without an end is not waited for without end", () => {
  const guarded = everySegmentation({ rules: { replyOctets: 100 } }, (guarded) => {
    guarded.client("NOOP\r\n").server("250 " + "x".repeat(200));
  });
  assert.deepEqual([guarded.down, guarded.guard.over], [BROKEN, true]);
});

Deno.test("a command line that is too long is refused and ends the session", () => {
  const guarded = everySegmentation({ rules: { commandOctets: 100 } }, (guarded) => {
    guarded.client("NOOP " + "x".repeat(93) + "\r\nNOOP " + "x".repeat(94) + "\r\nRSET\r\n").server(
      "250 a\r\n",
    );
  });
  assert.equal(guarded.down, "250 a\r\n500 5.5.2 Line too long\r\n");
  assert.equal(guarded.up, "NOOP " + "x".repeat(93) + "\r\n");
});

Deno.test("a mail server that goes says so, or Postern does; a message without its reply is aborted", () => {
  const end = (guarded: Guarded) => {
    guarded.guard.upstreamEnded(0);
    guarded.client("");
    guarded.guard.finish(0);
    for (const octets of guarded.guard.toClient) guarded.down += String.fromCharCode(...octets);
    return guarded;
  };
  const sent = end(sending(new Guarded()).client("x\r\n.\r\n"));
  assert.equal(sent.down, TLD + TLD + GO + LOST);
  assert.deepEqual(sent.told(), ["aborted <a@b.test> 1+0 3 - - -"]);
  assert.equal(end(new Guarded().client("QUIT\r\n").server("221 bye\r\n")).down, "221 bye\r\n");
  assert.equal(end(new Guarded().client("NOOP\r\n").server("421 down\r\n")).down, "421 down\r\n");
  // Behind half a reply nothing can be said.
  assert.equal(end(new Guarded().client("NOOP\r\n").server("250-half\r\n250 wi")).down, "250-half\r\n");
});

Deno.test("a drain answers a client that is idle at once, and others when their message has its reply", () => {
  const bye = { code: 421, bytes: new TextEncoder().encode("421 bye\r\n") };
  const idle = new Guarded();
  assert.equal(idle.guard.inFlight, false);
  idle.guard.drain(bye);
  assert.equal(idle.client("").guard.over && idle.guard.drained, true);
  const busy = sending(new Guarded());
  assert.equal(busy.guard.inFlight, true);
  busy.guard.drain(bye);
  assert.equal(busy.guard.over, false);
  busy.client("x\r\n.\r\n").server(QUEUED);
  assert.deepEqual([busy.down, busy.guard.over], [TLD + TLD + GO + QUEUED + "421 bye\r\n", true]);
  const greedy = sending(new Guarded());
  greedy.guard.drain(bye);
  greedy.client("x\r\n.\r\n" + MAIL + RCPT).server(QUEUED);
  assert.deepEqual([greedy.down.endsWith(QUEUED + "421 bye\r\n"), greedy.up.endsWith(".\r\n")], [true, true]);
});

Deno.test("a client that is too slow hears 421, and its message ends nowhere", () => {
  const guarded = sending(new Guarded()).client("half");
  assert.equal(guarded.guard.receiving, true);
  guarded.guard.expire("data_too_slow", 5_000);
  guarded.client("\r\n.\r\n");
  assert.equal(guarded.down, TLD + TLD + GO + "421 4.4.2 mx.test Timeout, closing connection\r\n");
  assert.deepEqual(guarded.told(), ["refused <a@b.test> 1+0 4 421 - data_too_slow"]);
  assert.equal(guarded.records()[0]!.seconds, 5);
  assert.equal(guarded.up.endsWith("half"), true);
});

Deno.test("transactions that come to no data are told of when they end", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client(MAIL + RCPT + "RSET\r\n").server(TLD + TLD + "250 reset\r\n");
    guarded.client(MAIL + RCPT + "EHLO x\r\n").server(TLD + "550 no\r\n250-back\r\n250 PIPELINING\r\n");
    guarded.client(MAIL).server("550 5.7.1 blocked\r\n");
    guarded.client(MAIL + MAIL).server(TLD + "503 nested\r\n");
    guarded.guard.finish(0);
  });
  assert.deepEqual(guarded.told().map((line) => line.replace(" <a@b.test>", "")), [
    "aborted 1+0 0 - - -",
    "rejected 0+1 0 - - -",
    "rejected 0+0 0 550 - -",
    "rejected 0+0 0 503 - -",
    "aborted 0+0 0 - - -",
  ]);
});

Deno.test("a client that pipelines without end waits for replies", () => {
  const guarded = new Guarded();
  guarded.client("NOOP\r\n".repeat(5_000));
  assert.equal(guarded.up.length, 1_000 * 6);
  guarded.server("250 ok\r\n".repeat(500));
  assert.equal(guarded.up.length, 1_500 * 6);
});

Deno.test("commands are told of with the codes of their replies", () => {
  const guarded = sending(new Guarded()).client("x\r\n.\r\nFOO\r\n").server(QUEUED);
  const commands = guarded.guard.notes.flatMap((note) =>
    note.kind === "command" ? [`${note.verb} ${note.code}`] : []
  );
  assert.deepEqual(commands, ["MAIL 250", "RCPT 250", "DATA 354", "other 500"]);
});

for (const command of ["RSET x", "EHLO", "HELO", "MAIL FROM:<second@b.test>"]) {
  Deno.test(`a transaction that ${command} did not end goes on, with its limits`, () => {
    const rules = { maxRecipients: 2, data: { maxOctets: 5 } };
    for (const admit of [undefined, () => null]) {
      const guarded = everySegmentation({ rules, ...admit && { admit } }, (guarded) => {
        guarded.client(MAIL + RCPT + RCPT).server(TLD + TLD + TLD);
        guarded.client(`${command}\r\n${RCPT}BDAT 9\r\n123456789BDAT 0 LAST\r\n`);
        guarded.server("503 5.5.1 nothing was ended\r\n");
      });
      assert.equal(guarded.up, `${MAIL}${RCPT}${RCPT}${command}\r\n`);
      assert.deepEqual(guarded.refusals(), ["too_many_recipients", "message_too_large", "command"]);
    }
  });
}

Deno.test("an open transaction that RSET ends takes its limits with it, and what is behind it goes on", () => {
  const guarded = everySegmentation({ rules: { maxRecipients: 1 } }, (guarded) => {
    guarded.client(`${MAIL}${RCPT}RSET\r\n${MAIL}${RCPT}QUIT\r\n`);
    guarded.server(TLD + TLD + "250 reset\r\n").server(TLD + TLD + "221 bye\r\n");
  });
  assert.equal(guarded.up, `${MAIL}${RCPT}RSET\r\n${MAIL}${RCPT}QUIT\r\n`);
  assert.equal(guarded.told().length, 2);
});

Deno.test("after max_errors commands that nobody knows the session ends, behind the replies that are awaited", () => {
  const guarded = everySegmentation({ rules: { maxErrors: 3 } }, (guarded) => {
    guarded.client("X\r\nAUTH\r\nX\r\nNOOP\r\nX\r\nNOOP\r\n").server("250 noop\r\n");
  });
  assert.equal(guarded.up, "NOOP\r\n");
  assert.equal(
    guarded.down,
    "500 5.5.1 Invalid command\r\n503 5.5.1 Bad sequence of commands\r\n500 5.5.1 Invalid command\r\n" +
      "250 noop\r\n421 4.7.0 mx.test Too many errors, closing connection\r\n",
  );
  assert.equal(guarded.guard.over, true);
});

Deno.test("whatever else Postern refuses, a session that comes to a thousand refusals ends", () => {
  const guarded = new Guarded({ admit: () => ({ reply: "450 4.7.1 later", close: false }) });
  for (let i = 0; i < 999; i++) guarded.client(RCPT);
  assert.equal(guarded.guard.over, false);
  guarded.client(RCPT);
  assert.equal(guarded.guard.over, true);
  assert.equal(guarded.down.endsWith("421 4.7.0 mx.test Too many errors, closing connection\r\n"), true);
});

Deno.test("a client that says QUIT by itself is parting, and may go with 221", () => {
  const parting = (...said: readonly (readonly [client: string, server: string])[]) => {
    const guarded = new Guarded();
    for (const [client, server] of said) guarded.client(client).server(server);
    return guarded.guard.parting;
  };
  assert.equal(parting(["QUIT\r\n", ""]), "asked");
  assert.equal(parting(["QUIT\r\n", "221 bye\r\n"]), "granted");
  assert.equal(parting(["QU", ""], ["IT\r\n", "221-good\r\n221 bye\r\n"]), "granted");
  assert.equal(parting(["QUIT\r\n", "500 what?\r\n"]), null);
  assert.equal(parting(["QUIT\r\nNOOP\r\n", "221 bye\r\n"]), null);
  assert.equal(parting(["QUIT\r\n", "221 bye\r\n"], ["x", ""]), null);
  assert.equal(parting(["NOOP\r\nQUIT\r\n", "250 ok\r\n221 bye\r\n"]), null);
});

Deno.test("after QUIT that the mail server refuses the client goes on where it was", () => {
  const guarded = everySegmentation({}, (guarded) => {
    guarded.client(MAIL + RCPT).server(TLD + TLD);
    guarded.client("QUIT now\r\n").server("501 5.5.4 Syntax: QUIT\r\n");
    guarded.client("DATA\r\n").server(GO).client("x\r\n.\r\n").server(QUEUED);
    guarded.client("QUIT\r\n").server("221 bye\r\n").client("NOOP\r\n");
  });
  assert.equal(guarded.up, `${MAIL}${RCPT}QUIT now\r\nDATA\r\nx\r\n.\r\nQUIT\r\n`);
  assert.deepEqual(guarded.told(), ["accepted <a@b.test> 1+0 3 250 4FJqG1s0zgz -"]);
});

Deno.test("after QUIT that is answered 421, or refused with more behind it, nothing passes any more", () => {
  for (const [said, reply] of [["QUIT\r\n", "421 bye\r\n"], ["QUIT\r\nNOOP\r\n", "501 what?\r\n"]] as const) {
    const guarded = everySegmentation({}, (guarded) => {
      guarded.client(said).server(reply).client("NOOP\r\n");
    });
    assert.equal(guarded.up, "QUIT\r\n");
  }
});
