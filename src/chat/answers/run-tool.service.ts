import { Injectable } from '@nestjs/common';
import type { DurableEventData } from '../../../protocol/messages.js';
import { EventStore } from '../history/event.store.js';
import type { ResponderRequest, ToolOutcome, Turn } from '../../responder/contract/responder.js';
import { RunJournalService } from '../runs/run-journal.service.js';
import type { ClaimedRun } from '../runs/run.store.js';
import { storableValue } from '../../responder/contract/storable-text.js';
import { ToolBoxService } from '../../responder/contract/tool-box.service.js';

type CallTool = ResponderRequest['callTool'];

/** Runs the tools that an answer asks for, and stores calls and results in the log. */
@Injectable()
export class RunToolService {
  constructor(
    private readonly tools: ToolBoxService,
    private readonly journal: RunJournalService,
    private readonly events: EventStore,
  ) {}

  /**
   * The function that a responder calls. A call that an earlier attempt has made gets its result from the log.
   * @param flush sends the text before the call
   */
  async callerFor(
    run: ClaimedRun,
    turns: readonly Turn[],
    signal: AbortSignal,
    flush: () => Promise<void>,
  ): Promise<CallTool> {
    const { called, outcomes } = await this.earlierCalls(run);
    return async (call) => {
      const known = outcomes.get(call.id);
      if (known !== undefined) return known;
      await flush();
      if (!called.has(call.id)) await this.journal.callTool(run, call);
      const outcome = storableValue(await this.tools.call(call, { turns, signal })) as ToolOutcome;
      signal.throwIfAborted();
      await this.journal.toolResult(run, call.id, outcome);
      return outcome;
    };
  }

  private async earlierCalls(
    run: ClaimedRun,
  ): Promise<{ called: Set<string>; outcomes: Map<string, ToolOutcome> }> {
    const called = new Set<string>();
    const outcomes = new Map<string, ToolOutcome>();
    if (run.messageId === undefined) return { called, outcomes };
    for (const event of await this.events.toolEventsOf(run.id)) {
      if (event.type === 'tool.call') called.add(event.data.tool_call_id);
      if (event.type === 'tool.result') outcomes.set(event.data.tool_call_id, outcomeIn(event.data));
    }
    return { called, outcomes };
  }
}

function outcomeIn({ output, error }: DurableEventData['tool.result']): ToolOutcome {
  return error === undefined ? { output } : { error };
}
