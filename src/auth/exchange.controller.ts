import { Body, Controller, Headers, HttpCode, Ip, Optional, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import type { SignIn } from '../../protocol/resources.js';
import { Public } from '../identity/public.decorator.js';
import { rateLimitHeaders } from '../redis/rate-limiter.service.js';
import { LoginLimitService } from './login-limit.service.js';
import { OtherCredentials } from './other-credentials.js';
import { SignInService } from './sign-in.service.js';
import { UnifiedAuthenticationService } from './unified-authentication.service.js';

// Longer than any token may be, so that the length is judged where tokens are.
const exchangeSchema = z.object({ token: z.string().min(1).max(16_384) }).meta({ id: 'Exchange' });

/** Turns a token of the old systems into a session. */
@Controller('auth')
export class ExchangeController {
  constructor(
    private readonly authentication: UnifiedAuthenticationService,
    private readonly signIn: SignInService,
    private readonly limit: LoginLimitService,
    @Optional() private readonly others?: OtherCredentials,
  ) {}

  @Public()
  @Post('exchange')
  @HttpCode(200)
  async exchange(
    @Body({ schema: exchangeSchema }) body: z.infer<typeof exchangeSchema>,
    @Headers() headers: Record<string, string>,
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignIn> {
    void reply.headers({ 'cache-control': 'no-store', ...this.others?.answerHeaders });
    const opened = await this.authentication.exchange(body.token, { headers, address }, async (email) => {
      void reply.headers(rateLimitHeaders(await this.limit.takeExchange(email)));
    });
    return this.signIn.toSignIn(opened);
  }
}
