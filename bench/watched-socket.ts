import { WebSocket } from 'ws';
import type { ServerFrame } from '../protocol/messages.js';

/** The life of one socket of a measured client. */
export interface SocketStory {
  readonly dialledAtMs: number;
  isOpen: boolean;
  /** When it was asked to move, and its slot. */
  slotAtMs?: number;
  /** Absent while it is open; 1006 without a close frame. */
  closeCode?: number;
}

/**
 * The library's socket with the listeners of a browser's, which `signal` can remove: the client package relies on it,
 * but the library does not support it.
 */
export class WatchedSocket extends EventTarget {
  readonly story: SocketStory = { dialledAtMs: Date.now(), isOpen: false };
  private readonly ws: WebSocket;

  constructor(url: string, protocol: string) {
    super();
    this.ws = new WebSocket(url, protocol);
    this.ws.on('open', () => {
      this.story.isOpen = true;
    });
    this.ws.on('message', (data) => this.receive((data as Buffer).toString('utf8')));
    this.ws.on('error', () => {
      // A refused or lost connection ends in "close", which gives all that a browser would.
    });
    this.ws.on('close', (code, reason) => {
      this.story.closeCode = code;
      const wasClean = code !== 1006;
      const end = { code, reason: reason.toString(), wasClean };
      this.dispatchEvent(Object.assign(new Event('close'), end));
    });
  }

  send(text: string): void {
    if (this.ws.readyState === WebSocket.OPEN) this.ws.send(text);
  }

  close(code?: number): void {
    this.ws.close(code);
  }

  private receive(text: string): void {
    const frame = JSON.parse(text) as ServerFrame;
    if (frame.type === 'server.draining') this.story.slotAtMs = Date.now() + frame.data.connect_after_ms;
    this.dispatchEvent(new MessageEvent('message', { data: text }));
  }
}
