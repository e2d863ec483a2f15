import { Module } from '@nestjs/common';
import { AuthModule } from '../auth/auth.module.js';
import { ChatModule } from '../chat/chat.module.js';
import { WebSocketModule } from '../websocket/websocket.module.js';
import { AdminAuditController } from './admin-audit.controller.js';
import { AdminAuthController } from './admin-auth.controller.js';
import { AdminConnectionsController } from './admin-connections.controller.js';
import { AdminFlagsController } from './admin-flags.controller.js';
import { AdminUsersController } from './admin-users.controller.js';
import { AdminGuard } from './admin.guard.js';

/** The routes for administrators. Each controller in this folder has `@UseGuards(AdminGuard)`. */
@Module({
  imports: [AuthModule, ChatModule, WebSocketModule],
  controllers: [
    AdminConnectionsController,
    AdminUsersController,
    AdminFlagsController,
    AdminAuditController,
    AdminAuthController,
  ],
  providers: [AdminGuard],
})
export class AdminModule {}
