import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { isErrorCode } from '../../protocol/errors.js';
import type { ErrorCode } from '../../protocol/errors.js';
import type { ServerFrame } from '../../protocol/messages.js';
import { CODES_FILE } from '../../scripts/testing/test-codes.js';
import { currentRun, hasRun } from '../../scripts/testing/test-run.js';

/**
 * No client is ever told these: who dials without a ticket is told `ticket_rejected`, and there is no receipt of no
 * ticket. The metric says that they were reached.
 */
const COUNTED_ONLY = new Set(['ticket_missing']);

const seen = new Set<ErrorCode>();

/** Writes down the code of a problem or a receipt, so that the end of the run can name those that no test reached. */
export function rememberCode(answer: unknown): void {
  if (typeof answer !== 'object' || answer === null || !('code' in answer)) return;
  const { code } = answer;
  if (!isErrorCode(code) || seen.has(code) || !hasRun()) return;
  seen.add(code);
  appendFileSync(join(currentRun().folder, CODES_FILE), `${code}\n`);
}

/** As `rememberCode`, for the reason by which a metric counted. */
export function rememberReason(reason: string | undefined): void {
  if (reason !== undefined && COUNTED_ONLY.has(reason)) rememberCode({ code: reason });
}

/** As `rememberCode`, for a frame; only `error` frames carry a problem that answers somebody. */
export function rememberFrame(frame: ServerFrame): void {
  if (frame.type === 'error') rememberCode(frame.data);
}
