/**
 * What `ready`, the health page and the chat page say about who answers. Declared here because sockets announce it and
 * know nothing of chat; `src/chat` provides it.
 */
export abstract class ResponderInfo {
  abstract readonly id: string;
  /** Says plainly when the responder is not a language model. */
  abstract readonly label: string;
  /** Resolves when it could answer now; rejects with the reason. Bounded to a second. */
  abstract check(): Promise<void>;
}
