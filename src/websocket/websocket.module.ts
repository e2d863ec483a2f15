import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SessionModule } from '../session/session.module.js';
import { TicketModule } from '../ticket/ticket.module.js';
import { ConnectionDirectory } from './connections/connection-directory.service.js';
import { ConnectionDirectoryStore } from './connections/connection-directory.store.js';
import { ConnectionGateway } from './frames/connection.gateway.js';
import { ConnectionRegistry } from './connections/connection.registry.js';
import { ConnectionStore } from './connections/connection.store.js';
import { DrainService } from './drain/drain.service.js';
import { FanOut } from './fan-out/fan-out.service.js';
import { FrameDispatcher } from './frames/frame-dispatcher.service.js';
import { Heartbeat } from './connections/heartbeat.service.js';
import { NodeRoster } from './connections/node-roster.service.js';
import { NodeRosterStore } from './connections/node-roster.store.js';
import { PendingSockets } from './upgrade/pending-sockets.service.js';
import { SocketHandoff } from './drain/socket-handoff.service.js';
import { SocketLifecycle } from './connections/socket-lifecycle.service.js';
import { UpgradeAdapter } from './upgrade/upgrade.adapter.js';
import { UpgradeGate } from './upgrade/upgrade-gate.service.js';
import { WebSocketPathController } from './upgrade/websocket-path.controller.js';

@Module({
  imports: [AuthModule, SessionModule, TicketModule],
  controllers: [WebSocketPathController],
  providers: [
    ConnectionDirectory,
    ConnectionDirectoryStore,
    ConnectionGateway,
    ConnectionRegistry,
    ConnectionStore,
    DrainService,
    FanOut,
    FrameDispatcher,
    Heartbeat,
    NodeRoster,
    NodeRosterStore,
    PendingSockets,
    SocketHandoff,
    SocketLifecycle,
    UpgradeAdapter,
    UpgradeGate,
  ],
  exports: [ConnectionDirectory, ConnectionRegistry, DrainService, FanOut, UpgradeAdapter, UpgradeGate],
})
export class WebSocketModule {}
