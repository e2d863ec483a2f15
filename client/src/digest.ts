import type { RunEnd } from '../../protocol/messages.js';

/** True when `text` is the whole answer as the server knows it. */
export async function isWholeText(text: string, end: Pick<RunEnd, 'length' | 'sha256'>): Promise<boolean> {
  if (text.length !== end.length) return false;
  // `crypto.subtle` exists in secure contexts only; elsewhere only the length is compared.
  const subtle = globalThis.crypto.subtle as SubtleCrypto | undefined;
  if (subtle === undefined) return true;
  const digest = await subtle.digest('SHA-256', new TextEncoder().encode(text));
  const hex = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
  return hex === end.sha256.toLowerCase();
}
