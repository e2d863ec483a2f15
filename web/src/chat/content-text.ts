import { contentFault, isBlank, LIMITS } from '../../../client/src/index.js';

/** What is wrong with a message, for the person who wrote it; `undefined` when it can be sent or is still empty. */
export function contentText(text: string): string | undefined {
  if (isBlank(text) || contentFault(text) === undefined) return undefined;
  const excess = text.length - LIMITS.maxContentLength;
  if (excess <= 0) return 'The message holds characters that cannot be sent.';
  const limit = LIMITS.maxContentLength.toLocaleString('en');
  return `A message can have ${limit} characters. This one is ${excess.toLocaleString('en')} too long.`;
}
