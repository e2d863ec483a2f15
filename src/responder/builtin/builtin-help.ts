/** What the built-in responder knows about Admit One. */

export interface HelpTopic {
  /** The topic with the most matching patterns is the answer; on a tie, the earlier one. */
  patterns: readonly RegExp[];
  answer: string;
}

const HELP_TOPICS: readonly HelpTopic[] = [
  {
    patterns: [
      /\bclose codes?\b/i,
      /\b(1006|1012|4[145]\d\d)\b/,
      /\b(sockets?|connections?)\b.{0,80}\bclos(e|es|ed|ing)\b|\bclos(e|es|ed|ing)\b.{0,80}\b(sockets?|connections?)\b/i,
      /\bcodes\b.{0,80}\bmean|\b(what|which) codes\b/i,
    ],
    answer:
      'A socket is never closed without a reason. The hundreds of the close code carry the policy, so that an old ' +
      'client handles a code it has never seen. Codes from 4100 on mean: reconnect now, with a new ticket. Codes from ' +
      '4400 on mean: stop until the user or the application does something, for example 4410 after a logout. Codes ' +
      'from 4500 on mean: reconnect with a growing pause. 1012 comes at the end of a drain. 1006 is never sent: it is ' +
      'what a client sees when the network or a process died.',
  },
  {
    patterns: [/\breceipts?\b/i, /\bwhat became of\b/i, /\bwhy was .{0,80}(refused|rejected)/i],
    answer:
      'A browser does not show why an upgrade was refused, so every ticket has a receipt. It says whether the ticket is ' +
      'pending, consumed, rejected, expired or revoked, the exact code of a rejection, which connection it opened and ' +
      'how that connection was closed. Ask for it with GET /websocket/tickets/ and the ticket_id. Only the owner of ' +
      'the ticket can read it; anyone else gets 404. It is kept for five minutes.',
  },
  {
    patterns: [/\b(kill|kills|killed|killing|crash|crashes|dies|dead)\b/i, /\bnodes?\b/i, /\btake ?over\b/i],
    answer:
      'To see a takeover, ask for something long, such as "count to 500", and while it is being written kill the node ' +
      'that writes it. The file .admit-one/demo.json lists every node with its process id, and kill -9 with that id is ' +
      'enough. Another node takes the run over, usually within three seconds, and continues the same message from the ' +
      'text that was already sent: nothing is written twice and nothing is missing. An attempt number keeps a late ' +
      'write of the dead node out.',
  },
  {
    patterns: [/\bsessions?\b/i, /\bsign(ed|s)? (in|out)\b/i, /\blog(in|out|ged| in| out)\b/i, /\brevok/i],
    answer:
      'A session is one sign-in of one user. It lives in Redis, ends after 30 minutes without use and in any case after ' +
      '12 hours, and HTTP and sockets share that one clock. The access token names the session, so a session that was ' +
      'ended lets nobody in, even while the token has not expired. Logging out closes the sockets of the session with ' +
      '4410 and burns its tickets. You can list your sessions, end one, or end all others.',
  },
  {
    patterns: [/\b(30|thirty) seconds?\b/i, /\bexpir/i, /\bhow long\b/i, /\bwhy so short\b/i],
    answer:
      'A ticket lives for 30 seconds by default, and the setting WS_TICKET_TTL_SECONDS allows 5 to 120. That is long ' +
      'enough to open a socket right after asking for the ticket, and short enough that an address which ends up in a ' +
      'log or in a browser history is worth nothing by the time somebody reads it. Being usable only once does the ' +
      'rest: even inside the 30 seconds a second presentation is refused.',
  },
  {
    patterns: [/\btickets?\b/i, /\bwhat is a ticket\b/i, /\bupgrade\b/i, /\bsingle[- ]use\b/i],
    answer:
      'A ticket is the right to open one socket. You ask for it with POST /websocket/ticket and your access token, get ' +
      '32 random bytes, and append them to the address of the socket as ?ticket=. It lives for 30 seconds and works ' +
      'once: presenting it deletes it first and compares afterwards, so of any number of simultaneous presentations ' +
      'exactly one can win, on any number of nodes. Redis holds only its SHA-256, and it dies with its session.',
  },
  {
    patterns: [/\breconnect/i, /\bresum(e|es|ed|ing)\b/i, /\boffline\b/i, /\bmissed\b/i, /\blost\b/i],
    answer:
      'Every durable event of a conversation has a sequence number, from 1 and without holes. After a break the client ' +
      'opens a new socket with a new ticket and sends resume with the last number that it saw. It then gets what it ' +
      'missed, in order, and a snapshot of any answer that is still being written. Deltas carry the offset at which ' +
      'they belong, so a replayed one changes nothing. What was acknowledged is in Postgres and is not lost.',
  },
  {
    patterns: [/\bstop(s|ped|ping)?\b/i, /\bcancel/i, /\binterrupt/i, /\babort/i],
    answer:
      'Stop means stop. A cancel reaches the node that writes the answer, from whichever node or device it came, and ' +
      'aborts the stream of the model itself, so that nothing goes on being computed for nobody. The text written so ' +
      'far stays in the conversation, and the message is marked as cancelled. Closing the tab is not a cancel: the ' +
      'answer belongs to the conversation, goes on, and waits for you in the history.',
  },
  {
    patterns: [/\b(drain|deploy|restart|update)/i, /\bshut ?down\b/i, /\bhand ?off\b/i],
    answer:
      'When a node is told to stop, it is draining: it takes no new sockets, answers an upgrade with 503, and sends ' +
      'each open socket a ticket and a moment to move. The clients connect to another node, ask for what they have ' +
      'missed, and the old socket closes with 4103; what has not moved closes with 1012. An answer ' +
      'that the node is writing may end within the drain window; what does not is handed over, and another node goes on ' +
      'with it in the same message.',
  },
  {
    patterns: [
      /\bollama\b/i,
      /\b(language )?models?\b/i,
      /\bwho are you\b/i,
      /\bwhat are you\b/i,
      /\bresponders?\b/i,
      /\bAI\b/,
    ],
    answer:
      'I am the built-in demo responder, not a language model. My answers are picked from a small text that ships with ' +
      'Admit One, and from this conversation; the same question always gets the same answer. To talk to a language ' +
      'model, start the server with RESPONDER=ollama, OLLAMA_URL and OLLAMA_MODEL, or with RESPONDER=openai, ' +
      'OPENAI_BASE_URL and OPENAI_MODEL for any server with the API of OpenAI. Everything around the answer stays the ' +
      'same: streaming, cancelling, takeover and tools.',
  },
  {
    patterns: [/\btools?\b/i, /\bfunction call/i],
    answer:
      'There are two tools, and both run on the server. current_time tells the time in any IANA time zone: ask me what ' +
      'time it is in Europe/Berlin. conversation_search finds earlier messages of this conversation: ask me to search ' +
      'for a word. Each use is recorded as a tool.call and a tool.result event with its own sequence number, so every ' +
      'device shows it and a replay shows it again. Tools read and change nothing.',
  },
  {
    patterns: [
      /\b(secur|attack|steal|stolen|leak|csrf|safe)/i,
      /\btokens?\b/i,
      /\bheaders?\b/i,
      /\borigins?\b/i,
      /\bcookies?\b/i,
    ],
    answer:
      'A browser cannot send an Authorization header with a WebSocket, and an access token in an address would end up ' +
      'in logs. So the token stays in HTTP headers, and the address carries a ticket that works once, for 30 seconds. ' +
      'A ticket that was asked for by a page of one origin is refused to another origin. All checks happen before the ' +
      'handshake completes, and when Redis or Postgres cannot be asked, nobody is let in.',
  },
  {
    patterns: [/\b(heartbeat|ping|pong|keep-?alive|timeout)/i],
    answer:
      'The server pings every socket every 30 seconds and expects a pong within 10 more. A socket that stays silent is ' +
      'closed with 4509, so a connection that died without a word is found in well under a minute. Each heartbeat also ' +
      'asks whether the session still lives: even if the message about a revocation were lost, a revoked session would ' +
      'be closed within one interval. A client may send a ping frame of its own and gets a pong.',
  },
  {
    patterns: [/\b(rate )?limit(s|ed|ing)?\b/i, /\btoo many\b/i, /\bhow many (tickets|connections)\b/i],
    answer:
      'By default a user may send 100 messages and ask for 30 tickets a minute, may have 20 unused tickets, 5 sockets ' +
      'in one session and 20 in all. Whoever goes over a limit gets an error with the code rate_limited that says how ' +
      'long to wait, and over HTTP also the headers RateLimit and Retry-After. A socket that goes on after that error ' +
      'is closed with 4529. A frame may have 64 KiB and a message 32,000 characters.',
  },
  {
    patterns: [
      /\b(admit one|demo|this (app|chat|page|project))\b/i,
      /\b(help|hello|hi|hey)\b/i,
      /\bwhat (can|do) you\b/i,
      /\bcan you do\b/i,
    ],
    answer: [
      'This is **Admit One**, a chat backend whose sockets open only with a ticket. I am the built-in demo responder, ' +
        '**not a language model**: I look for words in your question.',
      '',
      'You can ask me',
      '',
      '- how tickets, receipts, close codes, sessions, reconnecting, limits and draining work;',
      '- how to kill a node while it writes an answer;',
      '- for the time, or to search this conversation or sum it up;',
      '- to count to any number up to 2000.',
      '',
      '| Say | What you see |',
      '| --- | --- |',
      '| `count to 500` | a long answer, which you can stop or another node can take over |',
      '| `what time is it in Europe/Berlin?` | a tool call and its result |',
      '| `what do the close codes mean?` | a short text |',
      '',
      'This is how a client asks for a ticket:',
      '',
      '```http',
      'POST /websocket/ticket HTTP/1.1',
      'Authorization: Bearer <access token>',
      '```',
    ].join('\n'),
  },
];

/** The topic that matches a sentence best; `undefined` when none matches. */
export function helpTopic(sentence: string): HelpTopic | undefined {
  let best: HelpTopic | undefined;
  let bestScore = 0;
  for (const topic of HELP_TOPICS) {
    const score = topic.patterns.filter((pattern) => pattern.test(sentence)).length;
    if (score > bestScore) [best, bestScore] = [topic, score];
  }
  return best;
}
