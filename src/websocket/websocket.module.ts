import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { SessionModule } from '../session/session.module.js';
import { TicketModule } from '../ticket/ticket.module.js';
import { ConnectionDirectory } from './connection-directory.service.js';
import { ConnectionDirectoryStore } from './connection-directory.store.js';
import { ConnectionGateway } from './connection.gateway.js';
import { ConnectionRegistry } from './connection-registry.js';
import { ConnectionStore } from './connection.store.js';
import { DrainService } from './drain.service.js';
import { FanOut } from './fan-out.js';
import { FrameDispatcher } from './frame-dispatcher.js';
import { Heartbeat } from './heartbeat.js';
import { NodeRoster } from './node-roster.service.js';
import { NodeRosterStore } from './node-roster.store.js';
import { PendingSockets } from './pending-sockets.js';
import { SocketHandoff } from './socket-handoff.service.js';
import { SocketLifecycle } from './socket-lifecycle.js';
import { UpgradeAdapter } from './upgrade.adapter.js';
import { UpgradeGate } from './upgrade-gate.js';
import { WebSocketPathController } from './websocket-path.controller.js';

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
