import { beforeEach, expect, test } from '@jest/globals';
import type { ServerFrame } from '../../protocol/messages.js';
import type { Message } from '../../protocol/resources.js';
import { ANSWER, RUN } from '../spec/fake-server.js';
import { Transcript } from './transcript.js';

let transcript: Transcript;

const answer: Message = {
  id: ANSWER,
  role: 'assistant',
  content: '',
  status: 'streaming',
  seq: 2,
  run_id: RUN,
  created_at: '2026-01-01T00:00:00.000Z',
};

function frame(type: string, data: object): ServerFrame {
  return { type, ts: '', data: { run_id: RUN, message_id: ANSWER, ...data } } as unknown as ServerFrame;
}

function delta(offset: number, text: string): ReturnType<Transcript['apply']> {
  return transcript.apply(frame('message.delta', { offset, text }));
}

function text(): string | undefined {
  return transcript.find(ANSWER)?.content;
}

beforeEach(() => {
  transcript = new Transcript();
  transcript.apply(frame('message.created', { message: answer }));
});

test('applies deltas at their offsets: a replay changes nothing', () => {
  delta(0, 'Hello');
  delta(5, ' wörld');
  delta(0, 'Hello');
  delta(5, ' wörld');
  expect(text()).toBe('Hello wörld');
});

test('replaces text that another node writes differently after taking over', () => {
  delta(0, 'Hello there');
  delta(5, ' world');
  expect(text()).toBe('Hello world');
});

test('reports a missing piece instead of writing after it', () => {
  delta(0, 'Hello');
  expect(delta(9, 'x')).toEqual({ kind: 'hole', messageId: ANSWER });
  expect(text()).toBe('Hello');
});

test('replaces the whole text with a snapshot', () => {
  delta(0, 'Hxllo');
  transcript.apply(frame('message.snapshot', { text: 'Hello, all', status: 'streaming' }));
  delta(10, '!');
  expect(text()).toBe('Hello, all!');
});

test('keeps the longer text when HTTP returns a message in progress', () => {
  delta(0, 'Hello');
  transcript.put([answer]);
  expect(text()).toBe('Hello');
  transcript.put([{ ...answer, content: 'Hi', status: 'complete' }]);
  expect(text()).toBe('Hi');
});

test('does not restart an ended message at a late snapshot', () => {
  delta(0, 'Hello');
  transcript.apply(frame('run.completed', { finish_reason: 'stop', length: 5, sha256: '' }));
  transcript.apply(frame('message.snapshot', { text: 'Hel', status: 'streaming' }));
  expect(transcript.find(ANSWER)).toMatchObject({ content: 'Hello', status: 'complete' });
});

test('does not change an ended message at a late delta', () => {
  delta(0, 'Hello');
  transcript.apply(frame('run.cancelled', { finish_reason: 'cancelled', length: 5, sha256: '' }));
  delta(5, ' again');
  expect(transcript.find(ANSWER)).toMatchObject({ content: 'Hello', status: 'cancelled' });
});

test('shows each tool once, with its result', () => {
  const call = frame('tool.call', { tool_call_id: 't', name: 'current_time', arguments: {} });
  transcript.apply(call);
  transcript.apply(frame('tool.result', { tool_call_id: 't', output: 'noon' }));
  transcript.apply(call);
  expect(transcript.find(ANSWER)?.tools).toEqual([
    { id: 't', name: 'current_time', arguments: {}, result: { output: 'noon' } },
  ]);
});

test('shows each takeover once, with both nodes', () => {
  const takeover = frame('run.takeover', { from_node: 'a', to_node: 'b', offset: 0, attempt: 2 });
  transcript.apply(takeover);
  transcript.recall(takeover);
  expect(transcript.find(ANSWER)?.takeovers).toEqual([{ from: 'a', to: 'b', attempt: 2 }]);
});

test('orders messages by seq, not by arrival', () => {
  transcript.put([{ ...answer, id: 'question', role: 'user', seq: 1, status: 'complete' }]);
  expect(transcript.messages.map((message) => message.seq)).toEqual([1, 2]);
});

test('appends the rest of a long snapshot to its beginning, also when the message has ended', () => {
  for (const status of ['streaming', 'complete']) {
    transcript.apply(frame('message.snapshot', { text: 'Hello', status }));
    delta(5, ' wor');
    delta(9, 'ld');
    expect(transcript.find(ANSWER)).toMatchObject({ content: 'Hello world', status });
  }
});

test('shows a message and a tool in full once they arrived in full', () => {
  const question = { ...answer, id: 'q', role: 'user', status: 'complete', seq: 1 };
  transcript.apply(frame('message.created', { message: { ...question, content: 'Wh', truncated: true } }));
  expect(transcript.find('q')).toMatchObject({ content: 'Wh', truncated: true });
  transcript.apply(frame('message.created', { message: { ...question, content: 'Why?' } }));
  expect(transcript.find('q')?.content).toBe('Why?');
  expect(transcript.find('q')).not.toHaveProperty('truncated');
  transcript.apply(frame('tool.call', { tool_call_id: 't', name: 'n', arguments: {}, truncated: true }));
  transcript.apply(frame('tool.call', { tool_call_id: 't', name: 'n', arguments: { a: 1 } }));
  expect(transcript.find(ANSWER)?.tools).toEqual([{ id: 't', name: 'n', arguments: { a: 1 } }]);
});
