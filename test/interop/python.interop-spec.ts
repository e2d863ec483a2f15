import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startCluster } from '../support/cluster.js';
import type { Cluster } from '../support/cluster.js';
import { rememberSecret } from '../support/secrets.js';
import { register } from '../support/user.js';
import { within } from '../support/waiting.js';

interface Story {
  ready: { type: string; data: { user: { email: string }; protocol: string } };
  subprotocol: string;
  types: string[];
  seqs: number[];
  text: string;
  length: number;
  sha256: string;
  end: { finish_reason: string; length: number; sha256: string };
  close_code: number;
  second_use: number;
  ticket: string;
  access_token: string;
  refresh_token: string;
}

/** Runs the Python client to its end. The password goes through standard input, so that no process list shows it. */
async function runPython(order: Record<string, string>): Promise<Story> {
  // Debian's interpreter: another python3 on PATH does not see Debian's modules.
  const child = spawn('/usr/bin/python3', [join(import.meta.dirname, 'chat_client.py')]);
  child.stdin.end(JSON.stringify(order));
  const output = Promise.all([text(child.stdout), text(child.stderr), once(child, 'exit')]);
  try {
    const [answer, complaint, [code]] = await within(output, 'the Python client', 45_000);
    if (code !== 0) throw new Error(`the Python client ended with ${String(code)}: ${complaint}`);
    return JSON.parse(answer) as Story;
  } finally {
    child.kill('SIGKILL');
  }
}

describe('a client in Python', () => {
  let cluster: Cluster;
  let story: Story;
  let email: string;

  beforeAll(async () => {
    cluster = await startCluster({ nodes: 1 });
    const account = await register(cluster.node);
    email = account.email;
    const { url, wsUrl } = cluster.node;
    const question = 'What is a ticket? 😀';
    story = await runPython({ url, ws_url: wsUrl, email, password: account.password, question });
    [story.ticket, story.access_token, story.refresh_token].forEach(rememberSecret);
  });

  afterAll(() => cluster?.stop());

  it('connects with a ticket and is told who it is', () => {
    expect(story.ready.type).toBe('ready');
    expect(story.ready.data).toMatchObject({ protocol: 'chat.v1', user: { email } });
    expect(story.subprotocol).toBe('chat.v1');
  });

  it('receives the whole answer in deltas that add up', () => {
    expect(story.types).toContain('message.accepted');
    expect(story.types.filter((type) => type === 'message.delta').length).toBeGreaterThan(1);
    expect(story.end).toMatchObject({ finish_reason: 'stop', length: story.length, sha256: story.sha256 });
    expect(story.length).toBeGreaterThan(0);
  });

  it('gets durable events that are numbered without a gap', () => {
    expect(story.seqs).toEqual(story.seqs.map((_, index) => index + 1));
  });

  it('closes cleanly, and cannot use its ticket again', () => {
    expect(story.close_code).toBe(1000);
    expect(story.second_use).toBe(403);
  });
});
