import { Module, type OnModuleInit } from '@nestjs/common';
import { SessionModule } from '../../session/session.module.js';
import { DrainService } from '../../websocket/drain/drain.service.js';
import { UpgradeAdmissionService } from '../../websocket/upgrade/upgrade-admission.service.js';
import { WebSocketModule } from '../../websocket/websocket.module.js';
import { AuthModule } from '../auth.module.js';
import { UnifiedAuthenticationService } from '../unified-authentication.service.js';
import { UserStore } from '../user.store.js';
import { ConversionStore } from './conversion.store.js';
import { ExchangeController } from './exchange.controller.js';
import { FirstMessageService } from './first-message.service.js';
import { LegacyCredentialsService } from './legacy-credentials.service.js';
import { LegacyReportService } from './legacy-report.service.js';
import { OldTokenService } from './old-token.service.js';
import { PendingSocketService } from './pending-socket.service.js';

/** All legacy methods. The module registers itself with the lower layers, which do not depend on it. */
@Module({
  imports: [AuthModule, SessionModule, WebSocketModule],
  controllers: [ExchangeController],
  providers: [
    ConversionStore,
    FirstMessageService,
    LegacyCredentialsService,
    LegacyReportService,
    OldTokenService,
    PendingSocketService,
    UserStore,
  ],
})
export class LegacyModule implements OnModuleInit {
  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    private readonly admission: UpgradeAdmissionService,
    private readonly drain: DrainService,
    private readonly credentials: LegacyCredentialsService,
    private readonly firstMessages: FirstMessageService,
  ) {}

  onModuleInit(): void {
    this.authentication.admitLegacy(this.credentials);
    this.admission.admitPending(this.firstMessages);
    this.drain.alongside(() => this.firstMessages.end());
  }
}
