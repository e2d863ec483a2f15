import { createHash } from 'node:crypto';
import type { RunEnd } from '../../../protocol/messages.js';
import type { RunOutcome } from './run-event.store.js';

/** The final states of run and answer for each finish reason. */
export const STATUSES: Record<RunEnd['finish_reason'], Pick<RunOutcome, 'status' | 'messageStatus'>> = {
  stop: { status: 'completed', messageStatus: 'complete' },
  length: { status: 'completed', messageStatus: 'complete' },
  cancelled: { status: 'cancelled', messageStatus: 'cancelled' },
  error: { status: 'failed', messageStatus: 'failed' },
};

/** The data of a run's last event, with length and SHA-256 of the whole text. */
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
