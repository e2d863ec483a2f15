import { Body, Controller, Get, Headers, HttpCode, Ip, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { isBlank, trimmed } from '../../protocol/text.js';
import type { Me, SignIn, User } from '../../protocol/resources.js';
import { CurrentUser } from '../identity/current-user.decorator.js';
import { Public } from '../identity/public.decorator.js';
import { normalEmail, normalPassword } from '../identity/typed-text.js';
import { toUser, type UserContext } from '../identity/user-context.js';
import { type LimitState, rateLimitHeaders } from '../redis/rate-limiter.service.js';
import { AccountService } from './account.service.js';
import { PASSWORD_MAX_LENGTH, PASSWORD_MIN_LENGTH } from './password.js';
import { RegistrationService } from './registration.service.js';
import { SignInService } from './sign-in.service.js';

const email = z.string().overwrite(normalEmail).min(1).max(254);
const newPassword = z.string().overwrite(normalPassword).min(PASSWORD_MIN_LENGTH).max(PASSWORD_MAX_LENGTH);

const registrationSchema = z
  .object({
    email: email.regex(z.regexes.email, 'must be an e-mail address').meta({ format: 'email' }),
    password: newPassword,
    display_name: z
      .string()
      .overwrite(trimmed)
      .min(1)
      .max(100)
      .refine((value) => !isBlank(value), 'must have more than white space')
      .optional(),
  })
  .meta({ id: 'Registration' });

// Sign-in does not enforce the password rules: a password that breaks them is just wrong.
const loginSchema = z
  .object({
    email,
    password: z.string().min(1).max(1024),
  })
  .meta({ id: 'Login' });

const refreshSchema = z.object({ refresh_token: z.string().min(1).max(1024) }).meta({ id: 'Refresh' });

const passwordChangeSchema = z
  .object({
    current_password: z.string().min(1).max(1024),
    new_password: newPassword,
  })
  .meta({ id: 'PasswordChange' });

@Controller('auth')
export class AuthController {
  constructor(
    private readonly registrations: RegistrationService,
    private readonly signIn: SignInService,
    private readonly accounts: AccountService,
  ) {}

  @Public()
  @Post('register')
  async register(
    @Body({ schema: registrationSchema }) body: z.infer<typeof registrationSchema>,
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<{ user: User }> {
    const { email, password, display_name: displayName } = body;
    const registration = { email, password, displayName, address, onLimit: tellLimit(reply) };
    return { user: await this.registrations.register(registration) };
  }

  @Public()
  @Post('login')
  @HttpCode(200)
  login(
    @Body({ schema: loginSchema }) body: z.infer<typeof loginSchema>,
    @Headers('user-agent') userAgent = '',
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignIn> {
    void reply.header('cache-control', 'no-store');
    const onLimit = tellLimit(reply);
    return this.signIn.login({ ...body, device: { address, userAgent }, onLimit });
  }

  @Public()
  @Post('refresh')
  @HttpCode(200)
  refresh(
    @Body({ schema: refreshSchema }) body: z.infer<typeof refreshSchema>,
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<SignIn> {
    void reply.header('cache-control', 'no-store');
    return this.signIn.refresh(body.refresh_token, address);
  }

  @Post('logout')
  @HttpCode(204)
  logout(@CurrentUser() user: UserContext): Promise<void> {
    return this.signIn.logout(user);
  }

  @Post('password')
  @HttpCode(204)
  changePassword(
    @CurrentUser() user: UserContext,
    @Body({ schema: passwordChangeSchema }) body: z.infer<typeof passwordChangeSchema>,
    @Headers('user-agent') userAgent = '',
    @Ip() address: string,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<void> {
    const device = { address, userAgent };
    const current = { email: user.email, password: body.current_password, device, onLimit: tellLimit(reply) };
    return this.accounts.changePassword(user, current, body.new_password);
  }

  @Get('me')
  me(@CurrentUser() user: UserContext): Me {
    return {
      user: toUser(user),
      session_id: user.sessionId,
      expires_at: new Date(user.expiresAtMs).toISOString(),
    };
  }
}

/** Every response, refused or not, carries the state of its own limit instead of the limit for all requests. */
function tellLimit(reply: FastifyReply): (state: LimitState) => void {
  return (state) => void reply.headers(rateLimitHeaders(state));
}
