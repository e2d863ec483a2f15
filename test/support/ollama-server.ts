import type { ServerResponse } from 'node:http';
import { sendJson } from './model-response.js';
import { ModelServer } from './model-server.js';
import { perform, type Behaviour, type ChatRequestBody } from './ollama-behaviour.js';

/**
 * A model server that speaks Ollama's protocol (docs.ollama.com/api), and misbehaves when told to. The test in
 * ollama-server.e2e-spec.ts checks the protocol with the official client.
 */
export class OllamaServer extends ModelServer<ChatRequestBody, Behaviour> {
  static async start(models: readonly string[] = ['test-model:latest'], port = 0): Promise<OllamaServer> {
    return new OllamaServer(await ModelServer.listen(port), models);
  }

  override get url(): string {
    return this.origin;
  }

  protected override answerOther(route: string, response: ServerResponse): boolean {
    if (route === 'POST /api/chat') return false;
    if (route === 'GET /api/version') sendJson(response, 200, { version: '0.12.6' });
    else if (route === 'GET /api/tags') sendJson(response, 200, { models: this.models.map(modelEntry) });
    else if (route === 'POST /api/generate') sendJson(response, 200, { done: true, done_reason: 'load' });
    else sendJson(response, 404, { error: '404 page not found' });
    return true;
  }

  protected override refuseModel(model: string, response: ServerResponse): boolean {
    if (this.models.includes(withTag(model))) return false;
    sendJson(response, 404, { error: `model '${model}' not found` });
    return true;
  }

  protected override chat(
    body: ChatRequestBody,
    behaviour: Behaviour = { kind: 'answer' },
    response: ServerResponse,
  ): Promise<void> {
    return perform(behaviour, body, response);
  }
}

function modelEntry(name: string): Record<string, unknown> {
  const details = {
    parent_model: '',
    format: 'gguf',
    family: 'test',
    families: ['test'],
    parameter_size: '1B',
    quantization_level: 'Q4_K_M',
  };
  return { name, model: name, modified_at: '2026-01-01T00:00:00Z', size: 1, digest: '0'.repeat(64), details };
}

function withTag(model: string): string {
  return model.includes(':') ? model : `${model}:latest`;
}
