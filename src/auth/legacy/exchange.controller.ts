import { Body, Controller, Headers, HttpCode, Ip, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { SignIn } from '../../../protocol/resources.js';
import { Public } from '../../identity/public.decorator.js';
import { rateLimitHeaders } from '../../redis/rate-limiter.service.js';
import { LoginLimitService } from '../login-limit.service.js';
import { SignInService } from '../sign-in.service.js';
import { UnifiedAuthenticationService } from '../unified-authentication.service.js';
import { LegacyCredentialsService } from './legacy-credentials.service.js';

// Longer than any valid token, so that the token check decides about the length.
const exchangeSchema = z.object({ token: z.string().min(1).max(16_384) }).meta({ id: 'Exchange' });

/** Exchanges a token of the old systems for a session. */
@Controller('auth')
export class ExchangeController {
  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    private readonly signIn: SignInService,
    private readonly limit: LoginLimitService,
    private readonly credentials: LegacyCredentialsService,
  ) {}

  @Public()
  @Post('exchange')
  @HttpCode(200)
  async exchange(
    @Body({ schema: exchangeSchema }) { token }: z.infer<typeof exchangeSchema>,
    @Headers() headers: Record<string, string>,
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignIn> {
    void reply.headers({ 'cache-control': 'no-store', ...this.credentials.answerHeaders });
    const opened = await this.authentication.exchange(token, address, (verify) =>
      this.credentials.exchange(token, verify, headers, async (email) => {
        void reply.headers(rateLimitHeaders(await this.limit.takeExchange(email)));
      }),
    );
    return this.signIn.toSignIn(opened);
  }
}
