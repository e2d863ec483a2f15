/**
 * A model's text goes into UTF-8 frames, which cannot hold a lone surrogate, and PostgreSQL, which cannot hold NUL
 * either. A model server may send both as JSON escapes.
 */

import { storableText } from '../../../protocol/text.js';

/** A JSON value whose strings, keys included, can be stored. */
export function storableValue(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storableValue);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [storableText(key), storableValue(item)]),
  );
}

/** Joins surrogate pairs that a model server split, so that no piece ends inside one. */
export class PairJoiner {
  private held = '';

  /** The text that may be sent now: without a high surrogate at its end, which is held until its other half comes. */
  push(piece: string): string {
    const text = this.held + piece;
    this.held = endsInsidePair(text) ? text.slice(-1) : '';
    return storableText(this.held === '' ? text : text.slice(0, -1));
  }

  /** The held surrogate whose other half never came, if any. */
  end(): string {
    const rest = storableText(this.held);
    this.held = '';
    return rest;
  }
}

/** The first `maxLength` UTF-16 code units of a text, one less if that would split a surrogate pair. */
export function clip(text: string, maxLength: number): string {
  if (text.length <= maxLength) return text;
  const head = text.slice(0, maxLength);
  return endsInsidePair(head) ? head.slice(0, -1) : head;
}

function endsInsidePair(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last <= 0xdbff;
}
