import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { OnModuleDestroy } from '@nestjs/common';
import { storableText } from '../../../protocol/text.js';
import { AppError } from '../../errors/app-error.js';
import {
  type Readiness,
  Responder,
  type ResponderPart,
  type ResponderRequest,
  type ToolOutcome,
} from '../contract/responder.js';
import { PairJoiner } from '../contract/storable-text.js';
import { ToolBoxService } from '../contract/tool-box.service.js';
import { Continuation } from './continuation.js';
import { ModelExchange, type ModelLimits } from './model-exchange.js';
import { exchanged, ModelHttp } from './model-http.js';
import { addUsage, type ModelLine, type ModelMessage, type Usage, type WantedTool } from './model-line.js';
import { asAppError, ModelRefusal, modelUnavailable, quote } from './model-reply.js';
import { RefusedFeature } from './refused-feature.js';
import { systemPrompt } from './system-prompt.js';
import { ThoughtFilter } from './thoughts.js';

export interface ModelSettings {
  /** Base address of the model server; a path in it is kept. */
  url: string;
  model: string;
  /** Milliseconds from the request to the first token; default 300,000, since a model may have to be loaded first. */
  firstTokenMs?: number;
  /** Milliseconds in which nothing comes, after that; default 60,000. */
  silenceMs?: number;
  /** Milliseconds for which a busy server is asked again; default 60,000. */
  busyMs?: number;
  /** With `{{user_name}}` and `{{date}}`. */
  systemPrompt?: string | undefined;
}

/** One question to the model server. */
export interface ModelQuestion {
  messages: readonly ModelMessage[];
  /** The last message is the beginning of the answer, which goes on after it. */
  isContinued: boolean;
  withTools: boolean;
}

const MAX_TOOL_ROUNDS = 5;
const MAX_CALLS_PER_ROUND = 8;
const CHECK_MS = 1000;
const MIN_BUSY_WAIT_MS = 100;
const FIRST_BUSY_WAIT_MS = 1000;
const MAX_BUSY_WAIT_MS = 10_000;

/** Answers with a language model behind an HTTP API: what all such APIs have in common. */
export abstract class ModelResponder extends Responder implements OnModuleDestroy {
  override readonly model: string;
  protected readonly http: ModelHttp;
  private readonly limits: ModelLimits;
  private readonly busyMs: number;
  private readonly systemPrompt: string | undefined;
  private readonly toolUse = new RefusedFeature();

  protected constructor(
    { url, model, firstTokenMs = 300_000, silenceMs = 60_000, busyMs = 60_000, systemPrompt }: ModelSettings,
    protected readonly tools: ToolBoxService,
    headers: Record<string, string> = {},
  ) {
    super();
    this.model = model;
    this.limits = { firstTokenMs, silenceMs };
    this.busyMs = busyMs;
    this.systemPrompt = systemPrompt;
    this.http = new ModelHttp(url, headers);
  }

  override async *respond(request: ResponderRequest): AsyncGenerator<ResponderPart, void> {
    const messages = this.openingMessages(request);
    const usage: Usage = {};
    let hasWords = /\S/.test(request.written);
    for (let round = 0; ; round += 1) {
      const isContinued = round === 0 && request.written !== '';
      const output = new Output(isContinued ? request.written : '');
      // After the last round no tool is offered, so that the model has to answer.
      const mayCall = round < MAX_TOOL_ROUNDS;
      for await (const part of this.ask(messages, isContinued, mayCall, request.signal)) {
        if ('kind' in part) yield part;
        else yield* output.push(part);
      }
      yield* output.end();
      addUsage(usage, output.usage);
      hasWords ||= /\S/.test(output.text);
      if (output.toolCalls.length === 0) {
        if (!hasWords) throw withoutWords(output);
        yield { kind: 'end', finishReason: output.finishReason === 'length' ? 'length' : 'stop', usage };
        return;
      }
      requireWelcome(output.toolCalls, mayCall);
      await this.callTools(request, messages, output);
    }
  }

  override async check(): Promise<Readiness> {
    try {
      await this.requireModel(CHECK_MS);
      return 'ready';
    } catch (error) {
      if (error instanceof ModelRefusal && error.isLoading) return 'loading';
      throw asAppError(error, this.model);
    }
  }

  override async warmUp(): Promise<void> {
    try {
      await this.load(this.limits);
    } catch (error) {
      throw asAppError(error, this.model);
    }
  }

  onModuleDestroy(): void {
    this.http.close();
  }

  /** Sends one question and yields what comes, up to the end of the output. */
  protected abstract chat(question: ModelQuestion, exchange: ModelExchange): AsyncGenerator<ModelLine, void>;

  /** Resolves when the server has the model. @throws ModelRefusal, AppError */
  protected abstract requireModel(timeoutMs: number): Promise<void>;

  /** Makes the server load the model. @throws ModelRefusal, AppError */
  protected abstract load(limits: ModelLimits): Promise<void>;

  /** The server cannot give tools to this model. */
  protected abstract refusesTools(refusal: ModelRefusal): boolean;

  protected missing(count: number): AppError {
    return modelUnavailable(
      `expected the model ${quote(this.model)} at the model server, it is not among its ${count}`,
    );
  }

  /** Asks until the server takes the question, within bounds. Nothing is asked again once a piece has come. */
  private async *ask(
    messages: readonly ModelMessage[],
    isContinued: boolean,
    mayCall: boolean,
    signal: AbortSignal,
  ): AsyncGenerator<ModelLine | ResponderPart, void> {
    const beganMs = performance.now();
    for (let tries = 0; ; tries += 1) {
      const withTools = mayCall && !this.toolUse.isRefused;
      let hasBegun = false;
      try {
        const exchange = new ModelExchange(signal, this.limits);
        const question = { messages, isContinued, withTools };
        for await (const line of exchanged(exchange, this.model, () => this.chat(question, exchange))) {
          signal.throwIfAborted();
          hasBegun = true;
          yield line;
        }
        return;
      } catch (error) {
        const refusal = error instanceof AppError ? error.cause : undefined;
        if (hasBegun || !(refusal instanceof ModelRefusal)) throw error;
        if (withTools && this.refusesTools(refusal)) {
          this.toolUse.refuse();
          continue;
        }
        const waitMs = this.waitFor(refusal, tries, performance.now() - beganMs);
        if (waitMs === undefined) throw error;
        yield { kind: 'progress', state: 'waiting' };
        await sleep(waitMs, undefined, { signal }).catch(() => signal.throwIfAborted());
      }
    }
  }

  /** How long to wait before a busy server is asked again; `undefined` to give up. */
  private waitFor(refusal: ModelRefusal, tries: number, spentMs: number): number | undefined {
    if (!refusal.isBusy) return undefined;
    const ownMs = Math.min(FIRST_BUSY_WAIT_MS * 2 ** tries, MAX_BUSY_WAIT_MS);
    const waitMs = Math.max(MIN_BUSY_WAIT_MS, refusal.retryAfterMs ?? ownMs);
    const mostMs = refusal.isLoading ? this.limits.firstTokenMs : this.busyMs;
    return spentMs + waitMs <= mostMs ? waitMs : undefined;
  }

  private openingMessages({ turns, written, userName }: ResponderRequest): ModelMessage[] {
    const messages: ModelMessage[] = [
      { role: 'system', content: systemPrompt(this.systemPrompt, userName) },
      ...turns.map(({ role, content }): ModelMessage => {
        return role === 'user' ? { role, content } : { role, content, toolCalls: [] };
      }),
    ];
    if (written !== '') messages.push({ role: 'assistant', content: written, toolCalls: [] });
    return messages;
  }

  /** Runs the tools one after the other and appends what the model needs to continue. */
  private async callTools(
    request: ResponderRequest,
    messages: ModelMessage[],
    { text, toolCalls }: Output,
  ): Promise<void> {
    // A trailing assistant message is the beginning of this answer: the new text continues it.
    const last = messages.at(-1);
    const begun = last?.role === 'assistant' ? last.content : '';
    if (last?.role === 'assistant') messages.pop();
    const calls = toolCalls.map((call) => ({ id: `call_${randomUUID()}`, ...call }));
    messages.push({ role: 'assistant', content: begun + text, toolCalls: calls });
    for (const call of calls) {
      const outcome = await request.callTool(call);
      request.signal.throwIfAborted();
      messages.push({ role: 'tool', id: call.id, name: call.name, content: toolContent(outcome) });
    }
  }
}

/** What a model has put out in answer to one question, sorted into text, thoughts and tool calls. */
class Output {
  text = '';
  readonly toolCalls: WantedTool[] = [];
  readonly usage: Usage = {};
  finishReason: string | undefined;
  hasThought = false;
  private readonly joiner = new PairJoiner();
  private readonly filter = new ThoughtFilter();
  private readonly continuation: Continuation;

  /** @param written the text that this output continues */
  constructor(written: string) {
    this.continuation = new Continuation(written);
  }

  *push(line: ModelLine): Generator<ResponderPart, void> {
    if (line.thoughts !== '') yield this.thought(line.thoughts);
    if (line.content !== '') yield* this.sort(this.filter.push(this.joiner.push(line.content)));
    this.toolCalls.push(...line.toolCalls);
    this.finishReason = line.finishReason ?? this.finishReason;
    if (line.usage !== undefined) addUsage(this.usage, line.usage);
  }

  *end(): Generator<ResponderPart, void> {
    yield* this.sort(this.filter.push(this.joiner.end()));
    yield* this.sort(this.filter.end());
    const rest = this.continuation.rest();
    if (rest !== '') yield this.written(rest);
  }

  private *sort({ text, thoughts }: { text: string; thoughts: string }): Generator<ResponderPart, void> {
    if (thoughts !== '') yield this.thought(thoughts);
    const fresh = text === '' ? '' : this.continuation.push(text);
    if (fresh !== '') yield this.written(fresh);
  }

  private written(text: string): ResponderPart {
    this.text += text;
    return { kind: 'text', text };
  }

  private thought(text: string): ResponderPart {
    this.hasThought = true;
    return { kind: 'progress', state: 'thinking', text: storableText(text) };
  }
}

function withoutWords({ finishReason, hasThought }: Output): AppError {
  const what = hasThought ? 'only thoughts came' : 'none came';
  const why = finishReason === undefined ? '' : `, and the model ended with ${quote(finishReason)}`;
  return modelUnavailable(`expected words from the model, ${what}${why}`);
}

function requireWelcome(toolCalls: readonly WantedTool[], mayCall: boolean): void {
  if (!mayCall) {
    throw modelUnavailable(
      `expected text from the model, a tool call came though no tool was offered (${MAX_TOOL_ROUNDS} rounds at most)`,
    );
  }
  if (toolCalls.length > MAX_CALLS_PER_ROUND) {
    throw modelUnavailable(
      `expected at most ${MAX_CALLS_PER_ROUND} tool calls at once, ${toolCalls.length} came`,
    );
  }
}

function toolContent(outcome: ToolOutcome): string {
  return JSON.stringify('error' in outcome ? { error: outcome.error } : { output: outcome.output });
}
