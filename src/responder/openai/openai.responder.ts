import type { IncomingMessage } from 'node:http';
import { ToolBoxService } from '../contract/tool-box.service.js';
import { ModelExchange, type ModelLimits } from '../model/model-exchange.js';
import { exchanged } from '../model/model-http.js';
import type { ModelLine, ModelMessage } from '../model/model-line.js';
import {
  isObject,
  MalformedStreamError,
  ModelRefusal,
  modelUnavailable,
  parseJson,
  quote,
} from '../model/model-reply.js';
import { ModelResponder, type ModelQuestion, type ModelSettings } from '../model/model.responder.js';
import { RefusedFeature } from '../model/refused-feature.js';
import { CompletionChunks, toOpenAiMessage } from './openai-chunk.js';
import { SseData } from './sse.js';

export interface OpenAiSettings extends ModelSettings {
  /** Sent as `Authorization: Bearer`. */
  apiKey?: string | undefined;
}

const MAX_DOCUMENT_BYTES = 4 * 1024 * 1024;
/** What is asked of a server that does not continue a trailing assistant message. */
const GO_ON =
  'Your last message was cut off. Go on exactly where it stops, in the middle of a word if need be. Repeat nothing of it, and say nothing about this.';

/** Answers with a language model behind an HTTP API that has the shape of OpenAI's chat completions. */
export class OpenAiResponder extends ModelResponder {
  override readonly id = 'openai';
  override readonly label: string;
  /** To continue a message. */
  private readonly prefill = new RefusedFeature();
  /** To tell the usage within the stream. */
  private readonly usage = new RefusedFeature();

  constructor(settings: OpenAiSettings, tools: ToolBoxService = new ToolBoxService()) {
    const { apiKey } = settings;
    super(settings, tools, apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` });
    this.label = settings.model;
  }

  protected override async *chat(
    question: ModelQuestion,
    exchange: ModelExchange,
  ): AsyncGenerator<ModelLine, void> {
    const response = await this.askOnce(question, exchange);
    const chunks = new CompletionChunks();
    let last: ModelLine | undefined;
    for await (const data of events(response, exchange)) {
      if (data === '[DONE]') {
        last = chunks.end();
        exchange.hasEnded();
        continue;
      }
      const value = parseJson(data);
      if (value === undefined)
        throw new MalformedStreamError('expected JSON in an event, something else came');
      const line = chunks.read(value);
      if (chunks.hasBegun) exchange.hasBegun();
      yield line;
    }
    // A server that ends the stream after its finish reason has said all.
    if (last === undefined && !chunks.hasFinished)
      throw modelUnavailable('expected a finish reason, the stream ended without it');
    last ??= chunks.end();
    exchange.hasEnded();
    yield last;
  }

  protected override async requireModel(timeoutMs: number): Promise<void> {
    const document = await this.http.document('models', timeoutMs);
    const models = isObject(document) ? document.data : undefined;
    if (!Array.isArray(models))
      throw modelUnavailable('expected {"data":[…]} from the model server, something else came');
    // A proxy may list patterns of names.
    const isOurs = (model: unknown): boolean =>
      isObject(model) && typeof model.id === 'string' && (model.id === this.model || model.id.includes('*'));
    // llama.cpp lists the path of its one model and takes any name.
    if (models.length > 1 && !models.some(isOurs)) throw this.missing(models.length);
  }

  protected override async load(limits: ModelLimits): Promise<void> {
    const exchange = new ModelExchange(AbortSignal.timeout(limits.firstTokenMs), limits);
    const messages: ModelMessage[] = [{ role: 'user', content: 'Hello' }];
    const question = { messages, isContinued: false, withTools: false };
    const lines = exchanged(exchange, this.model, () => this.chat(question, exchange));
    try {
      await lines.next();
    } finally {
      // The first line is enough: the server stops.
      await lines.return();
    }
  }

  protected override refusesTools({ status, reason }: ModelRefusal): boolean {
    return (
      (status === 400 || status === 422 || status === 500) && /\btools?\b|tool_choice|--jinja/i.test(reason)
    );
  }

  /** Leaves out what the server refuses, and asks again without it. */
  private async askOnce(question: ModelQuestion, exchange: ModelExchange): Promise<IncomingMessage> {
    for (;;) {
      const isPrefilled = question.isContinued && !this.prefill.isRefused;
      const withUsage = !this.usage.isRefused;
      try {
        return await this.http.ask(
          'chat/completions',
          this.bodyOf(question, isPrefilled, withUsage),
          exchange,
        );
      } catch (error) {
        const isBadRequest = error instanceof ModelRefusal && (error.status === 400 || error.status === 422);
        if (!isBadRequest || (question.withTools && this.refusesTools(error))) throw error;
        if (isPrefilled) this.prefill.refuse();
        else if (withUsage && /stream_options|include_usage/.test(error.reason)) this.usage.refuse();
        else throw error;
      }
    }
  }

  private bodyOf(
    { messages, isContinued, withTools }: ModelQuestion,
    isPrefilled: boolean,
    withUsage: boolean,
  ): object {
    const goOn: ModelMessage[] = isContinued && !isPrefilled ? [{ role: 'user', content: GO_ON }] : [];
    return {
      model: this.model,
      messages: [...messages, ...goOn].map(toOpenAiMessage),
      stream: true,
      ...(withUsage && { stream_options: { include_usage: true } }),
      ...(withTools && { tools: this.tools.definitions() }),
      // vLLM continues a message only when asked to; llama.cpp does so anyway.
      ...(isPrefilled && { continue_final_message: true, add_generation_prompt: false }),
    };
  }
}

/** The data of each event, whatever the server calls its answer; one document is one event. */
async function* events(response: IncomingMessage, exchange: ModelExchange): AsyncGenerator<string, void> {
  const type = response.headers['content-type'] ?? '';
  if (/html/i.test(type)) throw modelUnavailable(`expected events from the model, ${quote(type)} came`);
  const data = new SseData();
  const document: Buffer[] = [];
  let documentBytes = 0;
  let isDocument: boolean | undefined;
  for await (const chunk of exchange.read(response)) {
    isDocument ??= beginsDocument(chunk);
    if (isDocument !== true) {
      yield* data.push(chunk);
      continue;
    }
    documentBytes += chunk.length;
    if (documentBytes > MAX_DOCUMENT_BYTES)
      throw modelUnavailable(`expected at most ${MAX_DOCUMENT_BYTES} bytes from the model server, more came`);
    document.push(chunk);
  }
  if (exchange.isDone) return;
  if (isDocument === true) yield Buffer.concat(document).toString('utf8');
  else yield* data.end();
}

/** `undefined` while only white space has come. */
function beginsDocument(chunk: Buffer): boolean | undefined {
  const first = chunk.toString('latin1').trimStart()[0];
  return first === undefined ? undefined : first === '{';
}
