/** What holds for answers, whoever writes them. */
export interface AnswerSettings {
  readonly systemPrompt: string | undefined;
  readonly firstTokenMs: number;
  readonly silenceMs: number;
  /** How much of a conversation a model is told; estimated: see `turns.ts`. */
  readonly contextTokens: number;
  /** A longer answer is cut, in UTF-16 code units. */
  readonly maxCharacters: number;
  readonly warmUp: boolean;
  readonly showThinking: boolean;
}
