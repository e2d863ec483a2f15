import { Injectable } from '@nestjs/common';
import { FanOutService } from '../websocket/fan-out/fan-out.service.js';
import { ConversationService } from './history/conversation.service.js';
import { RunCancelService } from './runs/run-cancel.service.js';

/** Deletes conversations and stops the runs in them. */
@Injectable()
export class ConversationRemovalService {
  constructor(
    private readonly conversations: ConversationService,
    private readonly cancels: RunCancelService,
    private readonly fanOut: FanOutService,
  ) {}

  /** Deletes it, stops its runs and notifies its sockets. @throws {AppError} `conversation_not_found` */
  async remove(userId: string, id: string): Promise<void> {
    const runIds = await this.conversations.remove(userId, id);
    for (const runId of runIds) this.cancels.tell(runId);
    this.fanOut.closeConversation(id);
  }
}
