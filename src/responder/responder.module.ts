import { Global, Module } from '@nestjs/common';
import { Config } from '../config/config.js';
import { BuiltinResponder } from './builtin/builtin.responder.js';
import { OllamaResponder } from './ollama/ollama.responder.js';
import { Responder } from './contract/responder.js';
import { ToolBox } from './contract/tools.js';

/** The one responder of a server. Global, because sockets announce it and the health page asks after it. */
@Global()
@Module({
  providers: [
    ToolBox,
    {
      provide: Responder,
      inject: [Config, ToolBox],
      useFactory: ({ responder, ollama }: Config, tools: ToolBox): Responder => {
        switch (responder) {
          case 'builtin':
            return new BuiltinResponder();
          case 'ollama':
            return new OllamaResponder(ollama, tools);
        }
      },
    },
  ],
  exports: [Responder, ToolBox],
})
export class ResponderModule {}
