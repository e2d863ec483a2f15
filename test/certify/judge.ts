import type { DurableEvent } from '../../protocol/messages.js';
import type { Message } from '../../protocol/resources.js';
import { countTo } from '../chat.support.js';
import { faultOfText, wanted } from './counting-model.js';
import type { Customer, Sent } from './customer.js';
import type { Fleet, Writer } from './fleet.js';

const MAX_CASES = 12;
const MAX_CASE_LENGTH = 300;

/** How often each promise was broken, and the first cases as text. */
export class Findings {
  readonly counts: Record<Breach, number> = {
    lost: 0,
    doubled: 0,
    reordered: 0,
    invented: 0,
    unanswered: 0,
    wrongText: 0,
    holes: 0,
    otherView: 0,
    strangersFrames: 0,
    abnormalEnds: 0,
    signedOut: 0,
    stuck: 0,
    refused: 0,
    takeovers: 0,
    jumps: 0,
    slow: 0,
  };
  readonly cases: string[] = [];

  add(promise: Breach, what: string): void {
    this.counts[promise] += 1;
    if (this.cases.length < MAX_CASES) this.cases.push(`${promise}: ${what.slice(0, MAX_CASE_LENGTH)}`);
  }

  get total(): number {
    return Object.values(this.counts).reduce((sum, count) => sum + count, 0);
  }
}

/** A promise that can be broken. */
export type Breach =
  | 'lost'
  | 'doubled'
  | 'reordered'
  | 'invented'
  | 'unanswered'
  | 'wrongText'
  | 'holes'
  | 'otherView'
  | 'strangersFrames'
  | 'abnormalEnds'
  | 'signedOut'
  | 'stuck'
  | 'refused'
  | 'takeovers'
  | 'jumps'
  | 'slow';

export interface Rows {
  messages: Message[];
  events: DurableEvent[];
  runs: { id: string; question_id: string; message_id: string | null; status: string }[];
}

/** The fault in a complete answer, by its responder. */
const FAULT_OF_TEXT: Record<Writer, typeof faultOfText> = {
  counting: faultOfText,
  builtin: (text, last) => (text === countTo(last) ? undefined : `is not the count to ${last}`),
};

/**
 * Compares the acknowledgements of one customer, and what the customer and the watchers of the conversation are shown,
 * with what is stored. Returns the stored rows.
 */
export async function judge(
  customer: Customer,
  fleet: Fleet,
  findings: Findings,
  watchers: readonly Customer[] = [],
): Promise<Rows> {
  const rows = await readRows(customer.conversationId, fleet);
  judgeQuestions(customer, rows, findings);
  judgeAnswers(rows, FAULT_OF_TEXT[fleet.writer], findings);
  judgeLog(rows, findings);
  for (const one of [customer, ...watchers]) {
    judgeView(one, rows, findings);
    findings.counts.strangersFrames += one.sightings.strangersFrames;
  }
  return rows;
}

export async function readRows(conversationId: string, { cluster }: Fleet): Promise<Rows> {
  const of = [conversationId];
  const [messages, events, runs] = await Promise.all([
    cluster.sql<Message & { seq: number }>(
      `SELECT id, role, content, status, seq::int, run_id, parent_id, client_message_id FROM messages
       WHERE conversation_id = $1 ORDER BY seq`,
      of,
    ),
    cluster.sql<DurableEvent & { seq: number }>(
      'SELECT seq::int, type, data FROM events WHERE conversation_id = $1 ORDER BY seq',
      of,
    ),
    cluster.sql<Rows['runs'][number]>(
      'SELECT id, question_id, message_id, status FROM runs WHERE conversation_id = $1',
      of,
    ),
  ]);
  return { messages, events, runs };
}

function judgeQuestions({ sent }: Customer, { messages }: Rows, findings: Findings): void {
  const questions = messages.filter(({ role }) => role === 'user');
  const known = new Map(sent.map((one) => [one.clientMessageId, one]));
  for (const { client_message_id: id = '', content } of questions) {
    if (known.get(id)?.content !== content) findings.add('invented', `a question "${content}"`);
  }
  const acknowledged = sent.filter(
    (one): one is Sent & Required<Pick<Sent, 'acknowledged'>> => one.acknowledged !== undefined,
  );
  for (const { clientMessageId, content, acknowledged: promised } of acknowledged) {
    const found = questions.filter(({ client_message_id }) => client_message_id === clientMessageId);
    if (found.length > 1) findings.add('doubled', `${clientMessageId} stands ${found.length} times`);
    const [row] = found;
    if (
      row === undefined ||
      row.id !== promised.message_id ||
      row.seq !== promised.seq ||
      row.content !== content
    )
      findings.add('lost', `${clientMessageId}, acknowledged as ${promised.message_id} at ${promised.seq}`);
  }
  for (const earlier of acknowledged) {
    const overtaken = acknowledged.find(
      (later) =>
        later.sentAtMs > earlier.acknowledged.atMs && later.acknowledged.seq < earlier.acknowledged.seq,
    );
    if (overtaken !== undefined)
      findings.add('reordered', `${overtaken.clientMessageId} stands before ${earlier.clientMessageId}`);
  }
}

function judgeAnswers(
  { messages, events, runs }: Rows,
  faultOf: typeof faultOfText,
  findings: Findings,
): void {
  for (const question of messages.filter(({ role }) => role === 'user')) {
    const answers = messages.filter(
      ({ role, parent_id }) => role === 'assistant' && parent_id === question.id,
    );
    const ended = runs.filter(({ question_id }) => question_id === question.id);
    if (answers.length > 1) findings.add('doubled', `${question.id} has ${answers.length} answers`);
    const [answer] = answers;
    const [run] = ended;
    if (answer === undefined || run === undefined || answer.status === 'streaming') {
      findings.add(
        'unanswered',
        `${question.id}: run ${run?.status ?? 'none'}, answer ${answer?.status ?? 'none'}`,
      );
      continue;
    }
    if (answer.status !== 'complete') continue;
    const takeovers = events.flatMap((event) =>
      event.type === 'run.takeover' && event.data.run_id === run.id ? [event.data.offset] : [],
    );
    const fault = faultOf(answer.content, wanted(question.content), takeovers);
    if (fault !== undefined) findings.add('wrongText', `"${answer.content}" ${fault}`);
  }
}

function judgeLog({ events, runs }: Rows, findings: Findings): void {
  const hole = events.findIndex(({ seq }, index) => seq !== index + 1);
  if (hole !== -1) findings.add('holes', `event ${hole + 1} is missing`);
  for (const { id } of runs) {
    const ends = events.filter(
      ({ type, data }) =>
        ['run.completed', 'run.failed', 'run.cancelled'].includes(type) &&
        'run_id' in data &&
        data.run_id === id,
    );
    if (ends.length > 1) findings.add('doubled', `run ${id} has ended ${ends.length} times`);
  }
}

/** The messages on the customer's page must be those that the server would send to a new page. */
function judgeView(
  { messages: shown, user }: Customer,
  { messages: stored }: Rows,
  findings: Findings,
): void {
  const text = (list: readonly Pick<Message, 'id' | 'role' | 'content' | 'status' | 'seq'>[]) =>
    list.map(({ id, role, content, status, seq }) => `${seq} ${id} ${role} ${status} ${content}`);
  // A page may show only the end of the conversation.
  const tail = text(stored).slice(-shown.length);
  const differs = text(shown).findIndex((line, index) => line !== tail[index]);
  if (shown.length === 0 && stored.length > 0) findings.add('otherView', `${user.email} sees nothing`);
  else if (differs !== -1)
    findings.add(
      'otherView',
      `${user.email} sees "${text(shown)[differs]}" where "${tail[differs]}" is stored`,
    );
}
