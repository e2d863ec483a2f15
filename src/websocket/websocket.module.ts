import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SessionModule } from '../session/session.module.js';
import { TicketModule } from '../ticket/ticket.module.js';
import { ConnectionDirectoryService } from './connections/connection-directory.service.js';
import { ConnectionDirectoryStore } from './connections/connection-directory.store.js';
import { ConnectionGateway } from './frames/connection.gateway.js';
import { ConnectionLedgerService } from './connections/connection-ledger.service.js';
import { ConnectionRegistry } from './connections/connection.registry.js';
import { ConnectionReportService } from './connections/connection-report.service.js';
import { ConnectionStore } from './connections/connection.store.js';
import { DependencyGraceService } from './connections/dependency-grace.service.js';
import { DrainService } from './drain/drain.service.js';
import { FanOutService } from './fan-out/fan-out.service.js';
import { FrameDispatcherService } from './frames/frame-dispatcher.service.js';
import { HeartbeatService } from './connections/heartbeat.service.js';
import { NodeRosterService } from './connections/node-roster.service.js';
import { NodeRosterStore } from './connections/node-roster.store.js';
import { ReadyFrameService } from './connections/ready-frame.service.js';
import { SessionWatchService } from './connections/session-watch.service.js';
import { SocketDrainService } from './drain/socket-drain.service.js';
import { SocketHandoffService } from './drain/socket-handoff.service.js';
import { SocketLifecycleService } from './connections/socket-lifecycle.service.js';
import { UpgradeAdapter } from './upgrade/upgrade.adapter.js';
import { UpgradeAdmissionService } from './upgrade/upgrade-admission.service.js';
import { UpgradeGateService } from './upgrade/upgrade-gate.service.js';
import { UpgradeReportService } from './upgrade/upgrade-report.service.js';
import { WebSocketPathController } from './upgrade/websocket-path.controller.js';

@Module({
  imports: [AuthModule, SessionModule, TicketModule],
  controllers: [WebSocketPathController],
  providers: [
    ConnectionDirectoryService,
    ConnectionDirectoryStore,
    ConnectionGateway,
    ConnectionLedgerService,
    ConnectionRegistry,
    ConnectionReportService,
    ConnectionStore,
    DependencyGraceService,
    DrainService,
    FanOutService,
    FrameDispatcherService,
    HeartbeatService,
    NodeRosterService,
    NodeRosterStore,
    ReadyFrameService,
    SessionWatchService,
    SocketDrainService,
    SocketHandoffService,
    SocketLifecycleService,
    UpgradeAdapter,
    UpgradeAdmissionService,
    UpgradeGateService,
    UpgradeReportService,
  ],
  exports: [
    ConnectionDirectoryService,
    ConnectionRegistry,
    DrainService,
    FanOutService,
    FrameDispatcherService,
    UpgradeAdapter,
    UpgradeAdmissionService,
    UpgradeGateService,
  ],
})
export class WebSocketModule {}
