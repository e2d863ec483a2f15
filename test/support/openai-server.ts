import type { ServerResponse } from 'node:http';
import { sendJson } from './model-response.js';
import { ModelServer } from './model-server.js';
import {
  errorDocument,
  perform,
  type CompletionRequestBody,
  type OpenAiBehaviour,
} from './openai-behaviour.js';

/** A model server that speaks OpenAI's chat completions, as llama.cpp and vLLM do, and misbehaves when told to. */
export class OpenAiServer extends ModelServer<CompletionRequestBody, OpenAiBehaviour> {
  /** While set, every request is refused as llama.cpp does before its model is in memory. */
  isLoading = false;

  static async start(models: readonly string[] = ['test-model'], port = 0): Promise<OpenAiServer> {
    return new OpenAiServer(await ModelServer.listen(port), models);
  }

  override get url(): string {
    return `${this.origin}/v1`;
  }

  protected override answerOther(route: string, response: ServerResponse): boolean {
    if (route === 'POST /v1/chat/completions') return false;
    if (route !== 'GET /v1/models') sendJson(response, 404, errorDocument(404, 'File Not Found'));
    else if (this.isLoading) sendJson(response, 503, LOADING);
    else sendJson(response, 200, { object: 'list', data: this.models.map(modelEntry) });
    return true;
  }

  protected override refuseModel(model: string, response: ServerResponse): boolean {
    if (this.models.includes(model)) return false;
    const message = `The model \`${model}\` does not exist`;
    sendJson(response, 404, {
      error: { message, type: 'invalid_request_error', code: 'model_not_found' },
    });
    return true;
  }

  protected override async chat(
    body: CompletionRequestBody,
    behaviour: OpenAiBehaviour = { kind: 'answer' },
    response: ServerResponse,
  ): Promise<void> {
    if (this.isLoading) return sendJson(response, 503, LOADING);
    await perform(behaviour, body, response);
  }
}

const LOADING = { error: { code: 503, message: 'Loading model', type: 'unavailable_error' } };

function modelEntry(id: string): Record<string, unknown> {
  return { id, object: 'model', created: 1, owned_by: 'test' };
}
