/** One sentence of a question. */
export interface Sentence {
  text: string;
  /** As long as `text`, with each code span blotted out: the words in it are not asked about. */
  prose: string;
}

const CODE = /```[^]*?(?:```|$)|`[^`]*`/g;
const BLOT = '\uFFFC';
/** Ends at a line break, or at a full stop, question or exclamation mark outside of double quotes. */
const SENTENCE = /(?:"[^"\n]*"|[^.?!\n]|[.?!](?!\s))+[.?!]*/g;
const GREETING = /^\W*(?:hello|hi|hey)(?:\W+\w+)?\W*$/i;

/** The sentences of a question in their order, greetings last. If everything is code, the code is the question. */
export function sentencesOf(question: string): Sentence[] {
  const prose = question.replace(CODE, (code) => BLOT.repeat(code.length));
  if (!/[\p{L}\p{N}]/u.test(prose)) return split(question.replaceAll('`', ' '));
  const sentences = split(question, prose);
  const isGreeting = (sentence: Sentence): boolean => GREETING.test(sentence.prose);
  return [...sentences.filter((sentence) => !isGreeting(sentence)), ...sentences.filter(isGreeting)];
}

function split(text: string, prose = text): Sentence[] {
  return Array.from(prose.matchAll(SENTENCE), ({ 0: found, index }) => ({
    prose: found,
    text: text.slice(index, index + found.length),
  }));
}
