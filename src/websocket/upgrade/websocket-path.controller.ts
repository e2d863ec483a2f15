import { Controller, Get } from '@nestjs/common';
import { Public, Unlimited } from '../../identity/public.decorator.js';
import { upgradeRequired } from './handshake.js';

/** Answers plain HTTP requests to WebSocket paths with 426. */
@Controller('ws')
@Public()
@Unlimited()
export class WebSocketPathController {
  @Get()
  socket(): never {
    throw upgradeRequired();
  }

  @Get('conversations/:id')
  conversationSocket(): never {
    throw upgradeRequired();
  }
}
