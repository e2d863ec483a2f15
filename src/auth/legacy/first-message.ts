import { AppError } from '../../errors/app-error.js';
import type { FirstMessage } from '../other-credentials.js';

type Members = Record<string, unknown>;

/**
 * Reads `{type: "initial" | "message", token, user_id?, conversation_id?}`.
 * @throws {AppError} `frame_invalid`
 */
export function readFirstMessage(text: string): FirstMessage {
  const frame = parseObject(text);
  if (frame === undefined || (frame.type !== 'initial' && frame.type !== 'message')) {
    throw new AppError('frame_invalid', { detail: 'expected {"type":"initial","token":…}' });
  }
  const { token, conversation_id: conversationId } = frame;
  return {
    credential:
      typeof token === 'string' && token !== ''
        ? { method: 'first_message', kind: 'access_token', value: token, needsOrigin: false }
        : undefined,
    claimedUserId: textOf(frame.user_id),
    conversationId: textOf(conversationId),
  };
}

/** Reads what old clients send once they are in: `{type: "message", data: {type: "initial", user_id, …}}`. */
export function readGreeting(text: string): { claimedUserId: string | undefined } | undefined {
  const frame = parseObject(text);
  if (frame?.type !== 'message' || !isObject(frame.data) || frame.data.type !== 'initial') return undefined;
  return { claimedUserId: textOf(frame.data.user_id) };
}

function parseObject(text: string): Members | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member that is there, whatever its type, is a claim and has to fit. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
