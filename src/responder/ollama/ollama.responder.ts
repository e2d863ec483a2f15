import { ToolBoxService } from '../contract/tool-box.service.js';
import type { ModelExchange, ModelLimits } from '../model/model-exchange.js';
import type { ModelLine } from '../model/model-line.js';
import { isObject, ModelRefusal, modelUnavailable, quote } from '../model/model-reply.js';
import { ModelResponder, type ModelQuestion, type ModelSettings } from '../model/model.responder.js';
import { NdjsonLines } from './ndjson.js';
import { parseChatLine, toOllamaMessage } from './ollama-line.js';

const MAX_LINE_BYTES = 1024 * 1024;

/** Answers with a language model behind Ollama's HTTP API (docs.ollama.com/api). */
export class OllamaResponder extends ModelResponder {
  override readonly id = 'ollama';
  override readonly label: string;

  constructor(settings: ModelSettings, tools: ToolBoxService = new ToolBoxService()) {
    super(settings, tools);
    this.label = `${settings.model} on Ollama`;
  }

  /** A trailing assistant message is continued from its end by itself. */
  protected override async *chat(
    { messages, withTools }: ModelQuestion,
    exchange: ModelExchange,
  ): AsyncGenerator<ModelLine, void> {
    const tools = withTools ? { tools: this.tools.definitions() } : {};
    const body = { model: this.model, messages: messages.map(toOllamaMessage), ...tools, stream: true };
    const response = await this.http.ask('api/chat', body, exchange);
    const type = response.headers['content-type'] ?? '';
    // Proxies and older versions name lines of JSON in many ways; a page for people is no answer.
    if (/html/i.test(type))
      throw modelUnavailable(`expected lines of JSON from the model, ${quote(type)} came`);
    const lines = new NdjsonLines(MAX_LINE_BYTES);
    for await (const chunk of exchange.read(response)) yield* this.parse(lines.push(chunk), exchange);
    if (exchange.isDone) return;
    yield* this.parse(lines.end(), exchange);
    if (!exchange.isDone)
      throw modelUnavailable('expected a last line with "done": true, the stream ended without it');
  }

  protected override async requireModel(timeoutMs: number): Promise<void> {
    const document = await this.http.document('api/tags', timeoutMs);
    const models = isObject(document) ? document.models : undefined;
    if (!Array.isArray(models))
      throw modelUnavailable('expected {"models":[…]} from the model server, something else came');
    const isOurs = (model: unknown): boolean =>
      isObject(model) && typeof model.name === 'string' && isSameModel(model.name, this.model);
    if (!models.some(isOurs)) throw this.missing(models.length);
  }

  protected override async load({ firstTokenMs }: ModelLimits): Promise<void> {
    await this.http.document('api/generate', firstTokenMs, { model: this.model, stream: false });
  }

  protected override refusesTools({ status, reason }: ModelRefusal): boolean {
    return status === 400 && /does not support tools/.test(reason);
  }

  private *parse(values: Iterable<unknown>, exchange: ModelExchange): Generator<ModelLine, void> {
    for (const value of values) {
      if (exchange.isDone) return;
      const line = parseChatLine(value);
      exchange.hasBegun();
      if (line.finishReason !== undefined) exchange.hasEnded();
      yield line;
    }
  }
}

/** A name without a tag means the tag `latest`. */
function isSameModel(listed: string, wanted: string): boolean {
  const full = (name: string): string => (name.includes(':') ? name : `${name}:latest`).toLowerCase();
  return full(listed) === full(wanted);
}
