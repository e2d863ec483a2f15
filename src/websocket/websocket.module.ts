import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SessionModule } from '../session/session.module.js';
import { TicketModule } from '../ticket/ticket.module.js';
import { ConnectionDirectoryService } from './connections/connection-directory.service.js';
import { ConnectionDirectoryStore } from './connections/connection-directory.store.js';
import { ConnectionGateway } from './frames/connection.gateway.js';
import { ConnectionRegistry } from './connections/connection.registry.js';
import { ConnectionStore } from './connections/connection.store.js';
import { DrainService } from './drain/drain.service.js';
import { FanOutService } from './fan-out/fan-out.service.js';
import { FrameDispatcherService } from './frames/frame-dispatcher.service.js';
import { HeartbeatService } from './connections/heartbeat.service.js';
import { NodeRosterService } from './connections/node-roster.service.js';
import { NodeRosterStore } from './connections/node-roster.store.js';
import { PendingSocketService } from './upgrade/pending-socket.service.js';
import { SocketHandoffService } from './drain/socket-handoff.service.js';
import { SocketLifecycleService } from './connections/socket-lifecycle.service.js';
import { UpgradeAdapter } from './upgrade/upgrade.adapter.js';
import { UpgradeGateService } from './upgrade/upgrade-gate.service.js';
import { WebSocketPathController } from './upgrade/websocket-path.controller.js';

@Module({
  imports: [AuthModule, SessionModule, TicketModule],
  controllers: [WebSocketPathController],
  providers: [
    ConnectionDirectoryService,
    ConnectionDirectoryStore,
    ConnectionGateway,
    ConnectionRegistry,
    ConnectionStore,
    DrainService,
    FanOutService,
    FrameDispatcherService,
    HeartbeatService,
    NodeRosterService,
    NodeRosterStore,
    PendingSocketService,
    SocketHandoffService,
    SocketLifecycleService,
    UpgradeAdapter,
    UpgradeGateService,
  ],
  exports: [
    ConnectionDirectoryService,
    ConnectionRegistry,
    DrainService,
    FanOutService,
    UpgradeAdapter,
    UpgradeGateService,
  ],
})
export class WebSocketModule {}
