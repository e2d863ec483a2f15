import type { ClientFrameType, ServerFrameType } from '../../protocol/messages.js';

/** `message.send` as the documents name it: `MessageSend`. */
export function frameName(type: ClientFrameType | ServerFrameType): string {
  return type.replace(/(^|\.)([a-z])/g, (_match, _dot, letter: string) => letter.toUpperCase());
}

/** Component that holds the schema of the frame's `data`. */
export function frameDataName(type: ClientFrameType | ServerFrameType): string {
  return `${frameName(type)}Data`;
}
