import { Module } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { JwtModule, type JwtModuleOptions, JwtSecretRequestType } from '@nestjs/jwt';
import { Config } from '../config/config.js';
import { SessionModule } from '../session/session.module.js';
import { TicketModule } from '../ticket/ticket.module.js';
import { CLOCK_TOLERANCE_SECONDS, verifyingKey } from './access-token.js';
import { AccountService } from './account.service.js';
import { AdminAccountService } from './admin-account.service.js';
import { AddressLimitService } from './address-limit.service.js';
import { AuthController } from './auth.controller.js';
import { AuthPathService } from './auth-path.service.js';
import { AuthReportService } from './auth-report.service.js';
import { HttpAuthGuard } from './http-auth.guard.js';
import { KnownDevicesStore } from './known-devices.store.js';
import { LoginLimitService } from './login-limit.service.js';
import { PasswordService } from './password.service.js';
import { RegistrationService } from './registration.service.js';
import { SessionController } from '../session/session.controller.js';
import { SignInService } from './sign-in.service.js';
import { TicketBurnService } from './ticket-burn.service.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';
import { UpgradeRulesService } from './upgrade-rules.service.js';
import { UserStore } from './user.store.js';
import { WsAuthGuard } from './ws-auth.guard.js';
import { redisNow } from '../redis/redis-clock.js';

@Module({
  imports: [
    JwtModule.registerAsync({ inject: [Config], useFactory: jwtOptions }),
    SessionModule,
    TicketModule,
  ],
  controllers: [AuthController, SessionController],
  providers: [
    AccountService,
    AddressLimitService,
    AdminAccountService,
    AuthPathService,
    AuthReportService,
    KnownDevicesStore,
    LoginLimitService,
    PasswordService,
    RegistrationService,
    UserStore,
    SignInService,
    TicketBurnService,
    UnifiedAuthenticationService,
    UpgradeRulesService,
    WsAuthGuard,
    { provide: APP_GUARD, useClass: HttpAuthGuard },
  ],
  exports: [
    AdminAccountService,
    AuthPathService,
    LoginLimitService,
    SignInService,
    UnifiedAuthenticationService,
    WsAuthGuard,
    SessionModule,
  ],
})
export class AuthModule {}

function jwtOptions({ jwt }: Config): JwtModuleOptions {
  const { algorithm, issuer, audience } = jwt;
  return {
    // A KeyObject: with a string, each verification first tries to parse it as a public key (350 us instead of 9).
    secretOrKeyProvider: (requestType, token) =>
      requestType === JwtSecretRequestType.SIGN ? jwt.signing.key : verifyingKey(token as string, jwt),
    signOptions: { algorithm, issuer, audience, keyid: jwt.signing.kid },
    verifyOptions: {
      algorithms: [algorithm],
      issuer,
      audience,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      // Read at each verification: a node with a wrong clock then refuses the same tokens as the others.
      get clockTimestamp() {
        return Math.floor(redisNow() / 1000);
      },
    },
  };
}
