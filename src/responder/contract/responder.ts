export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

export interface ToolCall {
  id: string;
  name: string;
  arguments: Record<string, unknown>;
}

export type ToolOutcome = { output: unknown } | { error: string };

export interface ResponderRequest {
  conversationId: string;
  /** Oldest first, ends with the user's question. */
  turns: readonly Turn[];
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
  | {
      kind: 'end';
      finishReason: 'stop' | 'length';
      usage?: { prompt_tokens?: number; completion_tokens?: number };
    };

/** Writes the assistant's answers. Each server runs one, chosen by the setting `RESPONDER`. */
export abstract class Responder {
  abstract readonly id: 'builtin' | 'ollama';
  /** Name for people, in the `ready` frame, in `/health/full` and on the page. */
  abstract readonly label: string;
  abstract readonly model: string | undefined;

  /**
   * Writes one answer: text parts that are whole words or tokens and never end inside a surrogate pair, then one `end`.
   * @throws AppError `dependency_unavailable` when the model fails, and the signal's reason once it is aborted.
   */
  abstract respond(request: ResponderRequest): AsyncIterable<ResponderPart>;

  /** Resolves when the responder can answer; rejects with the reason. Bounded to 1 s. */
  abstract check(): Promise<void>;
}
