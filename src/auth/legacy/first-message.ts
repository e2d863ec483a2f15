import { isUuid } from '../../../protocol/messages.js';
import { AppError } from '../../errors/app-error.js';
import type { LegacyCredential } from '../legacy-ways.js';
import type { UpgradeRequest } from '../upgrade-credentials.js';

type Members = Record<string, unknown>;

/**
 * Reads `{type: "initial" | "message", token, user_id?, conversation_id?}`.
 * @throws {AppError} `frame_invalid`, `token_missing`; `conversation_not_found` for an id that is not a conversation
 * id or differs from the path's.
 */
export function readFirstMessage(text: string, { conversationId }: UpgradeRequest): LegacyCredential {
  const frame = parseObject(text);
  if (frame === undefined || (frame.type !== 'initial' && frame.type !== 'message')) {
    throw new AppError('frame_invalid', { detail: 'expected {"type":"initial","token":…}' });
  }
  const { token } = frame;
  if (typeof token !== 'string' || token === '') throw new AppError('token_missing');
  return {
    method: 'first_message',
    kind: 'access_token',
    value: token,
    claimedUserId: textOf(frame.user_id),
    conversationId: conversationOf(textOf(frame.conversation_id), conversationId),
  };
}

/** Reads what old clients send after they are admitted: `{type: "message", data: {type: "initial", user_id, …}}`. */
export function readGreeting(text: string): { claimedUserId: string | undefined } | undefined {
  const frame = parseObject(text);
  if (frame?.type !== 'message' || !isObject(frame.data) || frame.data.type !== 'initial') return undefined;
  return { claimedUserId: textOf(frame.data.user_id) };
}

function conversationOf(named: string | undefined, ofPath: string | undefined): string | undefined {
  const conversationId = named?.toLowerCase() ?? ofPath;
  const isUsable = conversationId === undefined || isUuid(conversationId);
  if (!isUsable || (ofPath ?? conversationId) !== conversationId)
    throw new AppError('conversation_not_found');
  return conversationId;
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

/** A member that is present, whatever its type, is a claim and must match. */
function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  return typeof value === 'string' ? value : JSON.stringify(value);
}
