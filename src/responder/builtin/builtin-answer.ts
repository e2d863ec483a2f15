import { createHash } from 'node:crypto';
import { z } from 'zod';
import { helpTopic } from './builtin-help.js';
import { type Sentence, sentencesOf } from './sentences.js';
import { NO_ANSWER, type ToolCall, type ToolOutcome, type Turn } from '../contract/responder.js';
import { clip } from '../contract/storable-text.js';

export interface AnswerPlan {
  /** A tool whose result opens the answer. */
  tool?: { call: ToolCall; tell(outcome: ToolOutcome): string };
  body: string;
}

const MAX_COUNT = 2000;
const QUOTE_LENGTH = 200;
const SUMMARY_QUOTES = 5;

const WHO_I_AM =
  'I am the built-in demo responder, not a language model: I look for words in your question and quote what I find, ' +
  'and I understand neither. Ask "what can you do" for the things that I know something about, or start the server ' +
  'with RESPONDER=ollama or RESPONDER=openai to talk to a language model.';

/** Decides the answer, to the first sentence that has one. It depends only on the conversation. */
export function planAnswer(conversationId: string, turns: readonly Turn[]): AnswerPlan {
  const question = turns.at(-1)?.content ?? '';
  const call = (name: string, given: Record<string, unknown>): ToolCall => ({
    id: toolCallId(conversationId, turns.length, name, question),
    name,
    arguments: given,
  });
  const sentences = sentencesOf(question);
  const isAboutTopic = sentences.some(({ prose }) => helpTopic(prose) !== undefined);
  for (const sentence of sentences) {
    const { prose } = sentence;
    const counting = countTo(prose);
    if (counting !== undefined) return { body: counting };
    const query = searchQuery(sentence);
    if (query !== undefined)
      return {
        tool: { call: call('conversation_search', { query }), tell: tellMatches },
        body: AFTER_SEARCH,
      };
    if (asksForTime(prose, isAboutTopic))
      return { tool: { call: call('current_time', timezoneIn(question)), tell: tellTime }, body: AFTER_TIME };
    const body = aboutConversation(turns, prose) ?? helpTopic(prose)?.answer;
    if (body !== undefined) return { body };
  }
  return { body: sayNothingFound(question) };
}

/** The same id for the same question after the same turns, so that a repeated run makes the same call. */
function toolCallId(...parts: (string | number)[]): string {
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `call_${digest.slice(0, 24)}`;
}

function countTo(question: string): string | undefined {
  const digits = /\bcount\b(?: from (?:1|one))?(?: up)? to (\d+)\b/i.exec(question)?.[1];
  if (digits === undefined) return undefined;
  const last = Number(digits);
  if (last < 1 || last > MAX_COUNT)
    return `I can count to any whole number from 1 to ${MAX_COUNT}. ${WHO_I_AM}`;
  return Array.from({ length: last }, (_, index) => index + 1).join(' ');
}

const SEARCH_PATTERNS = [
  /\b(?:search\b[^.?!\n]{0,60}?\bfor|look for) (.+)/i,
  /\b(?:search|find) (?:\w+ ){0,3}?(?:messages?|questions?|answers?) (?:about|with|on|containing|mentioning) (.+)/i,
  /^\s*(?:please )?(?:search|find)(?! out\b) (.+)/i,
];
const PLACE = /\s+in (?:this|our|my|the|earlier)\b[^"]*$/i;

/** What to search for may stand in code; that a search is asked for may not. */
function searchQuery({ text, prose }: Sentence): string | undefined {
  for (const pattern of SEARCH_PATTERNS) {
    const found = pattern.exec(prose);
    if (found?.[1] === undefined) continue;
    // Each pattern ends with what is searched for.
    const end = found.index + found[0].length;
    const wanted = text.slice(end - found[1].length, end);
    const quoted = /["`]([^"`]+)["`]/.exec(wanted)?.[1];
    const query = clip((quoted ?? wanted.replace(PLACE, '').replace(/[\s.?!'"]+$/, '')).trim(), QUOTE_LENGTH);
    if (query !== '') return query;
  }
  return undefined;
}

function asksForTime(question: string, isAboutTopic: boolean): boolean {
  const asksOutright =
    /\bwhat(?:['’]s| is)? (?:the )?(?:current )?(?:time|date|day)\b(?! (?:to live|limit))|\btime is it\b|\bcurrent (?:time|date)\b/i;
  return asksOutright.test(question) || (!isAboutTopic && /\b(?:time|date|clock|today)\b/i.test(question));
}

function timezoneIn(question: string): Record<string, unknown> {
  const timezone = /\b[A-Z][A-Za-z]+(?:\/[A-Z][\w+-]*){1,2}/.exec(question)?.[0];
  return timezone === undefined ? {} : { timezone };
}

const AFTER_TIME =
  'That came from the tool current_time, which ran on the server: the call and its result are events of this ' +
  'conversation, with sequence numbers of their own. Name an IANA time zone such as Europe/Berlin to get the time ' +
  'there. I am the built-in demo responder, not a language model.';

const AFTER_SEARCH =
  'That came from the tool conversation_search, which ran on the server and looked at the earlier messages of this ' +
  'conversation, yours and mine, without regard to case. The call and its result are events of this conversation, ' +
  'with sequence numbers of their own. I am the built-in demo responder, not a language model.';

const timeOutput = z.object({ time: z.string(), timezone: z.string() });
const searchOutput = z.object({
  query: z.string(),
  total: z.number(),
  matches: z.array(z.object({ position: z.number(), role: z.string(), excerpt: z.string() })),
});

function tellTime(outcome: ToolOutcome): string {
  if ('error' in outcome) return `The tool current_time answered with an error: ${outcome.error}.`;
  const { data } = timeOutput.safeParse(outcome.output);
  return data === undefined ? tellPlainly(outcome.output) : `It is ${data.time} (${data.timezone}).`;
}

function tellMatches(outcome: ToolOutcome): string {
  if ('error' in outcome) return `The tool conversation_search answered with an error: ${outcome.error}.`;
  const { data } = searchOutput.safeParse(outcome.output);
  if (data === undefined) return tellPlainly(outcome.output);
  const searched = `I searched the earlier messages for "${data.query}"`;
  if (data.matches.length === 0) return `${searched} and found none.`;
  const quotes = data.matches.map(
    (match) => `message ${match.position} by the ${match.role}: "${match.excerpt}"`,
  );
  return `${searched} and found ${data.total}: ${quotes.join('; ')}.`;
}

function tellPlainly(output: unknown): string {
  return `The tool answered ${clip(JSON.stringify(output) ?? 'nothing', QUOTE_LENGTH)}.`;
}

const SPOKE = '(?:ask|asked|say|said|write|wrote|question|message)';
const ABOUT_FIRST = new RegExp(`\\b${SPOKE}\\b.{0,200}\\bfirst\\b|\\bfirst\\b.{0,200}\\b${SPOKE}\\b`, 'i');
const ABOUT_LAST = new RegExp(
  `\\b${SPOKE}\\b.{0,200}\\b(?:last|before|just now)\\b|\\b(?:last|previous)\\b.{0,200}\\b${SPOKE}\\b`,
  'i',
);

function aboutConversation(turns: readonly Turn[], question: string): string | undefined {
  const earlier = turns.slice(0, -1);
  const asked = earlier.filter(({ role }) => role === 'user').map(({ content }) => content);
  if (/\bhow many (?:messages|questions|turns|answers)\b/i.test(question))
    return tellCounts(earlier, asked.length);
  if (/\b(?:summar|recap)|\bsum (?:\w+ ){0,2}up\b/i.test(question)) return summarise(asked);
  if (ABOUT_FIRST.test(question)) return tellQuestion('first', asked[0]);
  if (ABOUT_LAST.test(question)) return tellQuestion('last', asked.at(-1));
  return undefined;
}

function tellCounts(earlier: readonly Turn[], questions: number): string {
  const answers = earlier.filter(({ role, content }) => role === 'assistant' && content !== NO_ANSWER).length;
  return `Before this one, the conversation had ${questions} of your messages and ${answers} of my answers. ${WHO_I_AM}`;
}

function summarise(asked: readonly string[]): string {
  if (asked.length === 0) return `There is nothing to sum up: this is your first message here. ${WHO_I_AM}`;
  const quotes = asked.slice(-SUMMARY_QUOTES).map(quoted).join(', then ');
  const range = asked.length > SUMMARY_QUOTES ? `, the last ${SUMMARY_QUOTES} of them` : '';
  return `So far you have sent ${asked.length} messages${range}: ${quotes}. ${WHO_I_AM}`;
}

function tellQuestion(which: string, question: string | undefined): string {
  if (question === undefined)
    return `You have not asked anything before this: it is your first message here. ${WHO_I_AM}`;
  return `Your ${which} message before this one was ${quoted(question)}. ${WHO_I_AM}`;
}

function sayNothingFound(question: string): string {
  return `You wrote ${quoted(question)}, and I have no answer to that. ${WHO_I_AM}`;
}

function quoted(text: string): string {
  const line = text.replace(/\s+/g, ' ').trim();
  const head = clip(line, QUOTE_LENGTH);
  return `"${head}${head.length < line.length ? '…' : ''}"`;
}
