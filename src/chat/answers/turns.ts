import type { Exchange } from '../history/message.store.js';
import type { Turn } from '../../responder/contract/responder.js';

/** Limits on the part of a conversation that a responder gets. */
export const MAX_TURNS = 40;
export const MAX_TURNS_LENGTH = 64_000;

/**
 * The turns for a responder, oldest first and ending with the question.
 * @param exchanges newest first; the first is the question
 */
export function turnsOf(exchanges: readonly Exchange[]): Turn[] {
  const newestFirst = exchanges.flatMap(({ question, answer }): Turn[] => [
    ...(answer === null ? [] : [{ role: 'assistant' as const, content: answer }]),
    { role: 'user', content: question },
  ]);
  const turns: Turn[] = [];
  let length = 0;
  for (const turn of newestFirst.slice(0, MAX_TURNS)) {
    length += turn.content.length;
    // The question itself is kept, however long it is.
    if (turns.length > 0 && length > MAX_TURNS_LENGTH) break;
    turns.push(turn);
  }
  return turns.reverse();
}
