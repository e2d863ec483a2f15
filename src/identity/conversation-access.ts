/**
 * Whether a conversation is somebody's own. Declared here because tickets and upgrades ask, and both stand below chat;
 * `src/chat` provides it.
 */
export abstract class ConversationAccess {
  /** False for a conversation that is missing and for one that is a stranger's: nobody can tell them apart. */
  abstract isOwner(userId: string, conversationId: string): Promise<boolean>;
}
