import WebSocket from 'ws';
import type { Child } from '../scripts/child-process.js';

/** The arguments that let a node be inspected. */
export const INSPECTABLE = ['--inspect=127.0.0.1:0'];

const LIMIT_MS = 20_000;

export interface HeapState {
  /** Size of the JavaScript heap after a full garbage collection. */
  usedBytes: number;
  /** Timers, sockets and requests that keep the process alive. */
  handles: number;
}

/** Runs a node's garbage collection and returns what is left, over the debugger protocol. */
export async function inspectHeap(child: Child): Promise<HeapState> {
  const url = /Debugger listening on (ws:\S+)/.exec(child.logs())?.[1];
  if (url === undefined) throw new Error(`${child.name} was not started with ${INSPECTABLE[0]}`);
  const ws = new WebSocket(url, { perMessageDeflate: false });
  const gone = new Promise((resolve) => ws.once('close', resolve));
  try {
    await new Promise((resolve, reject) => ws.once('open', resolve).once('error', reject));
    // Twice: only the second collection can free what the first one finalises.
    await call(ws, 1, 'HeapProfiler.collectGarbage');
    await call(ws, 2, 'HeapProfiler.collectGarbage');
    const { usedSize } = (await call(ws, 3, 'Runtime.getHeapUsage')) as { usedSize: number };
    const expression = 'process.getActiveResourcesInfo().length';
    const handles = (await call(ws, 4, 'Runtime.evaluate', { expression })) as { result: { value: number } };
    return { usedBytes: usedSize, handles: handles.result.value };
  } finally {
    ws.close();
    await gone;
  }
}

async function call(ws: WebSocket, id: number, method: string, params: object = {}): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => done(new Error(`no answer to ${method}`)), LIMIT_MS);
    const done = (failure: Error | undefined, result?: unknown): void => {
      clearTimeout(timer);
      ws.off('message', receive);
      if (failure === undefined) resolve(result);
      else reject(failure);
    };
    const receive = (data: Buffer): void => {
      const answer = JSON.parse(data.toString()) as { id?: number; result?: unknown };
      if (answer.id === id) done(undefined, answer.result);
    };
    ws.on('message', receive);
    ws.send(JSON.stringify({ id, method, params }));
  });
}
