/**
 * Checks who owns a conversation. Declared here because tickets and upgrades use it, and both are layers below chat;
 * `src/chat` provides it.
 */
export abstract class ConversationAccess {
  /** False for a missing conversation and for another user's, so that callers cannot tell them apart. */
  abstract isOwner(userId: string, conversationId: string): Promise<boolean>;
}
