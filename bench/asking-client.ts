import { randomUUID } from 'node:crypto';
import { ChatClient } from '../client/src/chat-client.js';
import type { ServerFrame } from '../protocol/messages.js';
import type { AcceptedMessage, Conversation, MessagePage } from '../protocol/resources.js';
import { type SocketStory, WatchedSocket } from './watched-socket.js';

const ANSWER_LIMIT_MS = 60_000;

/** What the server acknowledged to one client, and what the client found. */
export interface ClientReport {
  /** Questions that the server acknowledged. */
  acknowledged: number;
  /** Acknowledged questions that are not in history, and those that are there more than once. */
  lost: number;
  doubled: number;
  /** Other faults, as text. */
  faults: string[];
  /** Calls over HTTP while questions were asked, each as `METHOD /path`. */
  calls: string[];
  sockets: SocketStory[];
}

/** A real client that asks one question after the other and reads each answer as it is written. */
export class AskingClient {
  private readonly client: ChatClient;
  private readonly sockets: SocketStory[] = [];
  private readonly calls: string[] = [];
  private readonly faults: string[] = [];
  private readonly acknowledged: { clientMessageId: string; messageId: string }[] = [];
  private readonly texts = new Map<string, string>();
  private readonly ended = new Set<string>();
  private wake: () => void = () => undefined;
  private conversationId = '';
  private isAsking = false;
  private hasMissed = false;

  /** @param words number of words in an answer; each takes 30 ms. */
  constructor(
    private readonly baseUrl: string,
    private readonly accessToken: string,
    private readonly words: number,
  ) {
    this.client = new ChatClient({
      baseUrl,
      getAccessToken: async () => accessToken,
      fetch: (url, init) => {
        this.calls.push(`${init.method ?? 'GET'} ${new URL(url).pathname}`);
        return fetch(url, init);
      },
      createSocket: (url, protocol) => {
        const socket = new WatchedSocket(url, protocol);
        this.sockets.push(socket.story);
        return socket;
      },
    });
    this.client.on('frame', (frame) => this.receive(frame));
    this.client.on('stale', () => {
      this.hasMissed = true;
      this.wake();
    });
    this.client.on('state', ({ name }) => {
      if (this.isAsking && name !== 'open') this.faults.push(`the client was ${name}`);
      this.wake();
    });
  }

  /** Opens the socket; from then on calls are counted. */
  async open(): Promise<void> {
    this.conversationId = (await this.http<Conversation>('POST', '/conversations', {})).id;
    this.client.connect();
    await this.until(() => this.client.state.name === 'open', 'the socket');
    const { run_id: runId } = await this.askOverHttp();
    this.client.subscribe(this.conversationId, 0);
    await this.until(() => this.ended.has(runId), 'the first answer');
    this.calls.length = 0;
  }

  /** Asks until `signal` aborts, and waits for the answer to the last question. */
  async ask(signal: AbortSignal): Promise<void> {
    this.isAsking = true;
    while (!signal.aborted) {
      const { run_id: runId } = await this.send();
      await this.until(() => this.ended.has(runId), 'the end of an answer');
    }
  }

  /** Compares what was streamed and acknowledged with what is stored. */
  async verify(): Promise<ClientReport> {
    this.isAsking = false;
    const calls = [...this.calls];
    const stories = this.sockets.map((story) => ({ ...story }));
    this.client.close();
    const path = `/conversations/${this.conversationId}/messages?limit=200`;
    const { messages } = await this.http<MessagePage>('GET', path);
    let [lost, doubled] = [0, 0];
    for (const { clientMessageId, messageId } of this.acknowledged) {
      const found = messages.filter((message) => message.client_message_id === clientMessageId);
      if (!found.some(({ id }) => id === messageId)) lost += 1;
      if (found.length > 1) doubled += 1;
    }
    const whole = Array.from({ length: this.words }, (_, index) => index + 1).join(' ');
    const answers = messages.filter(({ role }) => role === 'assistant');
    if (answers.length !== this.acknowledged.length)
      this.faults.push(`${answers.length} answers to ${this.acknowledged.length} questions`);
    for (const { id, content, status } of answers) {
      if (content !== whole || status !== 'complete') this.faults.push(`an answer is ${status}: ${content}`);
      if (this.texts.get(id) !== content) this.faults.push(`was streamed otherwise: ${this.texts.get(id)}`);
    }
    const acknowledged = this.acknowledged.length;
    return { acknowledged, lost, doubled, faults: this.faults, calls, sockets: stories };
  }

  private async send(): Promise<AcceptedMessage> {
    const question = { client_message_id: randomUUID(), content: `count to ${this.words}` };
    const accepted = await this.client.sendMessage({ conversation_id: this.conversationId, ...question });
    return this.acknowledge(question.client_message_id, accepted);
  }

  /** The first question: after it the conversation has an event from which a socket can subscribe. */
  private async askOverHttp(): Promise<AcceptedMessage> {
    const question = { client_message_id: randomUUID(), content: `count to ${this.words}` };
    const path = `/conversations/${this.conversationId}/messages`;
    return this.acknowledge(
      question.client_message_id,
      await this.http<AcceptedMessage>('POST', path, question),
    );
  }

  private acknowledge(clientMessageId: string, accepted: AcceptedMessage): AcceptedMessage {
    this.acknowledged.push({ clientMessageId, messageId: accepted.message_id });
    return accepted;
  }

  private receive(frame: ServerFrame): void {
    if (frame.type === 'message.snapshot') this.texts.set(frame.data.message_id, frame.data.text);
    if (frame.type === 'message.delta') {
      const { message_id: id, offset, text } = frame.data;
      const known = this.texts.get(id) ?? '';
      if (offset > known.length) this.faults.push(`a delta at ${offset} came after ${known.length}`);
      this.texts.set(id, known.slice(0, offset) + text);
    }
    if (frame.type === 'run.completed' || frame.type === 'run.failed' || frame.type === 'run.cancelled') {
      if (frame.type !== 'run.completed') this.faults.push(frame.type);
      this.ended.add(frame.data.run_id);
      this.wake();
    }
  }

  private async until(isTrue: () => boolean, what: string): Promise<void> {
    const deadline = Date.now() + ANSWER_LIMIT_MS;
    while (!isTrue()) {
      if (this.hasMissed) throw new Error('events were missed that the server did not replay');
      const leftMs = deadline - Date.now();
      if (leftMs <= 0) throw new Error(`waited ${ANSWER_LIMIT_MS} ms for ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs);
        this.wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  private async http<T>(method: string, path: string, body?: object): Promise<T> {
    const headers = { authorization: `Bearer ${this.accessToken}`, 'content-type': 'application/json' };
    const options = { method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) };
    const response = await fetch(this.baseUrl + path, { ...options, signal: AbortSignal.timeout(20_000) });
    if (!response.ok) throw new Error(`${method} ${path} answered ${response.status}`);
    return (await response.json()) as T;
  }
}
