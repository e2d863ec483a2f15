import { Global, Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { AcceptanceStore } from './acceptance.store.js';
import { AnswerSourceService } from './answer-source.service.js';
import { AnswerService } from './answer.service.js';
import { CatchUpService } from './catch-up.service.js';
import { ChatGateway } from './chat.gateway.js';
import { ChatService } from './chat.service.js';
import { ConversationController } from './conversation.controller.js';
import { ConversationService } from './conversation.service.js';
import { ConversationStore } from './conversation.store.js';
import { DeltaStreamService } from './delta-stream.service.js';
import { EventStore } from './event.store.js';
import { MessageStore } from './message.store.js';
import { ReplayService } from './replay.service.js';
import { ResponderModule } from './responder.module.js';
import { RunCancelService } from './run-cancel.service.js';
import { RunCheckpointStore } from './run-checkpoint.store.js';
import { RunClaimStore } from './run-claim.store.js';
import { RunEventStore } from './run-event.store.js';
import { RunLeaseService } from './run-lease.service.js';
import { RunSignalService } from './run-signal.service.js';
import { RunToolService } from './run-tool.service.js';
import { RunExecutor } from './run.executor.js';
import { RunJournal } from './run.journal.js';
import { RunStore } from './run.store.js';
import { RunSweeper } from './run.sweeper.js';
import { RunWorker } from './run.worker.js';

/** Global for one thing: tickets and upgrades ask whose a conversation is, and stand below. */
@Global()
@Module({
  imports: [AuthModule, WebSocketModule, ResponderModule],
  controllers: [ConversationController],
  providers: [
    AcceptanceStore,
    ConversationStore,
    EventStore,
    MessageStore,
    RunCheckpointStore,
    RunClaimStore,
    RunEventStore,
    RunStore,
    ConversationService,
    { provide: ConversationAccess, useExisting: ConversationService },
    ChatService,
    ChatGateway,
    CatchUpService,
    ReplayService,
    AnswerService,
    AnswerSourceService,
    DeltaStreamService,
    RunCancelService,
    RunExecutor,
    RunJournal,
    RunLeaseService,
    RunSignalService,
    RunSweeper,
    RunToolService,
    RunWorker,
  ],
  exports: [ConversationAccess, RunCancelService],
})
export class ChatModule {}
