import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrorCode } from '../../protocol/errors.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { ServerFrame } from '../../protocol/messages.js';
import { CODES_FILE } from '../../scripts/testing/test-codes.js';
import { currentRun, hasRun } from '../../scripts/testing/test-run.js';

/**
 * Codes that no client ever gets: a client without a ticket gets `ticket_rejected`, and without a ticket there is no
 * receipt. Only the metric shows that they were reached.
 */
const COUNTED_ONLY = new Set(['ticket_missing']);

const seen = new Set<ErrorCode>();

/** Records the code of a problem or a receipt, so that the end of the run can name those that no test reached. */
export function rememberCode(answer: unknown): void {
  if (typeof answer !== 'object' || answer === null || !('code' in answer)) return;
  const { code } = answer;
  if (!isErrorCode(code) || seen.has(code) || !hasRun()) return;
  seen.add(code);
  appendFileSync(join(currentRun().folder, CODES_FILE), `${code}\n`);
}

/** Like `rememberCode`, for the reason label of a metric. */
export function rememberReason(reason: string | undefined): void {
  if (reason !== undefined && COUNTED_ONLY.has(reason)) rememberCode({ code: reason });
}

/** Like `rememberCode`, for a frame; only `error` frames carry a problem that is a reply. */
export function rememberFrame(frame: ServerFrame): void {
  if (frame.type === 'error') rememberCode(frame.data);
}
