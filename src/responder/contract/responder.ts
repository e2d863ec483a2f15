export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

/** What stands for the answer of a question that failed or was stopped before a word came. */
export const NO_ANSWER = '(There was no answer to this.)';

export interface ToolCall {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

export type ToolOutcome = { output: unknown } | { error: string };

export interface ResponderRequest {
  conversationId: string;
  /** Begins with a turn of the user, alternates, and ends with the question. */
  turns: readonly Turn[];
  /** The display name of the user who asks. */
  userName: string;
  /**
   * Text of this answer that an earlier attempt has written; the responder continues after it. Empty on the first
   * attempt.
   */
  written: string;
  signal: AbortSignal;
  /** Runs a server-side tool. The worker records tool.call before and tool.result after it. */
  callTool(call: ToolCall): Promise<ToolOutcome>;
}

export type ResponderPart =
  | { kind: 'text'; text: string }
  /** No text comes: the responder waits for a model server that is busy, or the model thinks, with its thoughts in `text`. */
  | { kind: 'progress'; state: 'waiting' | 'thinking'; text?: string }
  | {
      kind: 'end';
      finishReason: 'stop' | 'length';
      usage?: { prompt_tokens?: number; completion_tokens?: number };
    };

/** `loading` while the model server is there but its model is not in memory yet. */
export type Readiness = 'ready' | 'loading';

/** Writes the assistant's answers. Each server runs one, chosen by the setting `RESPONDER`. */
export abstract class Responder {
  abstract readonly id: 'builtin' | 'ollama' | 'openai';
  /** Name for people, in the `ready` frame, in `/health/full` and on the page. */
  abstract readonly label: string;
  abstract readonly model: string | undefined;

  /**
   * Writes one answer: text parts that are whole words or tokens and never end inside a surrogate pair, then one `end`.
   * @throws AppError `dependency_unavailable` when the model fails or ends without a word, and the signal's reason once it
   * is aborted.
   */
  abstract respond(request: ResponderRequest): AsyncIterable<ResponderPart>;

  /** Resolves when the responder can answer or will soon; rejects with the reason. Bounded to 1 s. */
  abstract check(): Promise<Readiness>;

  /** Loads the model, so that the first question does not wait for it. Bounded by the time to the first token. */
  abstract warmUp(): Promise<void>;
}
