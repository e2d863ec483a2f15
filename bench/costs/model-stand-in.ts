import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * Stands in for Ollama: `POST /api/chat` answers with as many tokens as the question says, 50 a second, one per write.
 * A program of its own, so that its work is on no server's account.
 */

const TOKENS_PER_SECOND = 50;
const MODEL = 'bench:latest';
const HEADERS = { 'content-type': 'application/x-ndjson' };

const server = createServer((request, response) => {
  if (request.method !== 'POST') {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ models: [{ name: MODEL, model: MODEL }], version: '0.0.0' }));
    return;
  }
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => stream(response, tokensIn(Buffer.concat(chunks).toString())));
});

/** The number in the last message: `write 75 tokens`. */
function tokensIn(body: string): number {
  const { messages } = JSON.parse(body) as { messages: { content: string }[] };
  return Number(/\d+/.exec(messages.at(-1)?.content ?? '')?.[0] ?? 1);
}

function stream(response: ServerResponse, count: number): void {
  response.writeHead(200, HEADERS);
  const startMs = performance.now();
  let sent = 0;
  let timer: NodeJS.Timeout | undefined;
  response.on('close', () => clearTimeout(timer));
  const write = (): void => {
    const due = Math.min(count, 1 + Math.floor(((performance.now() - startMs) / 1000) * TOKENS_PER_SECOND));
    for (; sent < due; sent++) response.write(lineOf(' token', false));
    if (sent < count) {
      const nextMs = startMs + (sent * 1000) / TOKENS_PER_SECOND;
      timer = setTimeout(write, Math.max(1, nextMs - performance.now()));
    } else response.end(lineOf('', true));
  };
  write();
}

function lineOf(content: string, done: boolean): string {
  const line = {
    model: MODEL,
    created_at: new Date().toISOString(),
    message: { role: 'assistant', content },
    done,
  };
  return `${JSON.stringify(done ? { ...line, done_reason: 'stop' } : line)}\n`;
}

server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as AddressInfo;
  process.stdout.write(`${JSON.stringify({ event: 'server.listening', port })}\n`);
});
process.on('SIGTERM', () => process.exit(0));
