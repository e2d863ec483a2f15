import type { Exchange } from '../history/message.store.js';
import { NO_ANSWER, type Turn } from '../../responder/contract/responder.js';

type Asked = Pick<Exchange, 'question' | 'answer'>;

/** Exchanges that are read for one question. */
export const MAX_EXCHANGES = 40;
/** Models cut English into tokens of about four bytes and other writing into shorter ones: the estimate is on the safe side. */
const BYTES_PER_TOKEN = 3;

/** An estimate: every model counts in its own way. */
export function estimatedTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN);
}

/**
 * The turns for a responder: they begin with one of the user, alternate, and end with the question. Whole exchanges are left
 * out, the oldest first, until the rest is within the budget; the question is kept, however long it is. After a question that
 * got no answer stands that it got none.
 * @param exchanges newest first; the first is the question
 * @param maxTokens estimated
 */
export function turnsOf(exchanges: readonly Asked[], maxTokens: number): Turn[] {
  const kept: Asked[] = [];
  let tokens = 0;
  for (const exchange of exchanges) {
    tokens += estimatedTokens(exchange.question) + estimatedTokens(exchange.answer ?? '');
    if (kept.length > 0 && tokens > maxTokens) break;
    kept.push(exchange);
  }
  return kept.reverse().flatMap(({ question, answer }, at): Turn[] => {
    const asked: Turn = { role: 'user', content: question };
    if (at === kept.length - 1) return [asked];
    return [asked, { role: 'assistant', content: answer ?? NO_ANSWER }];
  });
}
