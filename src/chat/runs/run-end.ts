import { createHash } from 'node:crypto';
import type { RunEnd } from '../../../protocol/messages.js';
import type { RunOutcome } from './run-event.store.js';

/** What becomes of run and answer, by why it ended. */
export const STATUSES: Record<RunEnd['finish_reason'], Pick<RunOutcome, 'status' | 'messageStatus'>> = {
  stop: { status: 'completed', messageStatus: 'complete' },
  length: { status: 'completed', messageStatus: 'complete' },
  cancelled: { status: 'cancelled', messageStatus: 'cancelled' },
  error: { status: 'failed', messageStatus: 'failed' },
};

/** What the last event of a run says, with the proof of the whole text. */
export function runEnd(
  run: { runId: string; messageId: string; text: string },
  outcome: Pick<RunEnd, 'finish_reason' | 'usage' | 'problem'>,
): RunEnd {
  const { finish_reason, usage, problem } = outcome;
  return {
    run_id: run.runId,
    message_id: run.messageId,
    finish_reason,
    length: run.text.length,
    sha256: createHash('sha256').update(run.text, 'utf8').digest('hex'),
    ...(usage !== undefined && { usage }),
    ...(problem !== undefined && { problem }),
  };
}
