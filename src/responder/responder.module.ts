import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { BuiltinResponder } from './builtin/builtin.responder.js';
import { OllamaResponder } from './ollama/ollama.responder.js';
import { OpenAiResponder } from './openai/openai.responder.js';
import { Responder } from './contract/responder.js';
import { ToolBoxService } from './contract/tool-box.service.js';

/** The responder of this server. Global, because sockets announce it and the health page checks it. */
@Global()
@Module({
  providers: [
    ToolBoxService,
    {
      provide: Responder,
      inject: [Config, ToolBoxService],
      useFactory: ({ responder, ollama, openai, answers }: Config, tools: ToolBoxService): Responder => {
        switch (responder) {
          case 'builtin':
            return new BuiltinResponder();
          case 'ollama':
            return new OllamaResponder({ ...ollama, ...answers }, tools);
          case 'openai':
            return new OpenAiResponder({ ...openai, ...answers }, tools);
        }
      },
    },
  ],
  exports: [Responder, ToolBoxService],
})
export class ResponderModule {}
