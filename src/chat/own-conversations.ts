import { Injectable } from '@nestjs/common';
import { ConversationAccess } from '../identity/conversation-access.js';
import { ConversationStore } from './conversation.store.js';

/** What tickets and upgrades ask of chat. */
@Injectable()
export class OwnConversations extends ConversationAccess {
  constructor(private readonly store: ConversationStore) {
    super();
  }

  override async isOwner(userId: string, conversationId: string): Promise<boolean> {
    return (await this.store.find(userId, conversationId)) !== undefined;
  }
}
