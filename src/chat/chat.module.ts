import { Global, Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ConversationAccess } from '../identity/conversation-access.js';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { AcceptanceStore } from './runs/acceptance.store.js';
import { ResponderService } from '../responder/responder.service.js';
import { AnswerProgressService } from './answers/answer-progress.service.js';
import { AnswerProgressStore } from './answers/answer-progress.store.js';
import { AnswerService } from './answers/answer.service.js';
import { CatchUpService } from './catch-up/catch-up.service.js';
import { ChatController } from './chat.controller.js';
import { ChatGateway } from './chat.gateway.js';
import { ChatService } from './chat.service.js';
import { ConversationRemovalService } from './conversation-removal.service.js';
import { ConversationController } from './history/conversation.controller.js';
import { ConversationService } from './history/conversation.service.js';
import { ConversationStore } from './history/conversation.store.js';
import { DeltaStreamService } from './answers/delta-stream.service.js';
import { EventStore } from './history/event.store.js';
import { MessageStore } from './history/message.store.js';
import { DeletionCheckService } from './catch-up/deletion-check.service.js';
import { OpeningService } from './catch-up/opening.service.js';
import { ProgressReplayService } from './catch-up/progress-replay.service.js';
import { ReplayService } from './catch-up/replay.service.js';
import { ResponderModule } from '../responder/responder.module.js';
import { RunAnnouncementService } from './runs/run-announcement.service.js';
import { RunAnnouncementStore } from './runs/run-announcement.store.js';
import { RunCancelService } from './runs/run-cancel.service.js';
import { RunCheckpointStore } from './answers/run-checkpoint.store.js';
import { RunClaimStore } from './runs/run-claim.store.js';
import { RunEventStore } from './runs/run-event.store.js';
import { RunLeaseService } from './runs/run-lease.service.js';
import { RunSignalService } from './runs/run-signal.service.js';
import { RunToolService } from './answers/run-tool.service.js';
import { RunExecutorService } from './answers/run-executor.service.js';
import { RunHandOverService } from './answers/run-hand-over.service.js';
import { RunJournalService } from './runs/run-journal.service.js';
import { RunQueueService } from './runs/run-queue.service.js';
import { RunQueueStore } from './runs/run-queue.store.js';
import { RunReportService } from './runs/run-report.service.js';
import { RunStore } from './runs/run.store.js';
import { RunSweeperService } from './answers/run-sweeper.service.js';
import { RunWorkerService } from './answers/run-worker.service.js';

/** Global only because tickets and upgrades, which are in lower layers, check who owns a conversation. */
@Global()
@Module({
  imports: [AuthModule, WebSocketModule, ResponderModule],
  controllers: [ConversationController, ChatController],
  providers: [
    AcceptanceStore,
    AnswerProgressStore,
    ConversationStore,
    EventStore,
    MessageStore,
    RunAnnouncementStore,
    RunCheckpointStore,
    RunClaimStore,
    RunEventStore,
    RunQueueStore,
    RunStore,
    ConversationService,
    ConversationRemovalService,
    { provide: ConversationAccess, useExisting: ConversationService },
    ChatService,
    ChatGateway,
    CatchUpService,
    DeletionCheckService,
    OpeningService,
    ProgressReplayService,
    ReplayService,
    AnswerProgressService,
    AnswerService,
    ResponderService,
    DeltaStreamService,
    RunAnnouncementService,
    RunCancelService,
    RunExecutorService,
    RunHandOverService,
    RunJournalService,
    RunLeaseService,
    RunQueueService,
    RunReportService,
    RunSignalService,
    RunSweeperService,
    RunToolService,
    RunWorkerService,
  ],
  exports: [ConversationAccess, RunCancelService],
})
export class ChatModule {}
