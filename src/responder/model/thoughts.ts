import { overlap } from './overlap.js';

const OPENINGS = ['<think>', '<thinking>'];

/** A piece of a model's output: what belongs to the answer, and what the model only thinks. */
export interface Sorted {
  text: string;
  thoughts: string;
}

/**
 * Takes `<think>…</think>` at the beginning of a model's output out of the answer, however its pieces are cut. What is not
 * at the beginning is text, also when it looks like that.
 */
export class ThoughtFilter {
  private state: 'beginning' | 'thinking' | 'after' | 'text' = 'beginning';
  private held = '';
  private closing = '';

  push(piece: string): Sorted {
    if (this.state === 'text') return { text: piece, thoughts: '' };
    this.held += piece;
    const sorted = { text: '', thoughts: '' };
    if (this.state === 'beginning') this.begin(sorted);
    if (this.state === 'thinking') this.think(sorted);
    if (this.state === 'after') this.resume(sorted);
    return sorted;
  }

  /** What was held back because it could have become a tag. */
  end(): Sorted {
    const rest = this.held;
    this.held = '';
    if (this.state === 'thinking') return { text: '', thoughts: rest };
    return { text: this.state === 'after' ? '' : rest, thoughts: '' };
  }

  private begin(sorted: Sorted): void {
    const start = this.held.trimStart();
    const opening = OPENINGS.find((tag) => start.startsWith(tag));
    if (opening !== undefined) {
      this.state = 'thinking';
      this.closing = `</${opening.slice(1)}`;
      this.held = start.slice(opening.length);
    } else if (!OPENINGS.some((tag) => tag.startsWith(start))) {
      this.state = 'text';
      sorted.text = this.release();
    }
  }

  private think(sorted: Sorted): void {
    const end = this.held.indexOf(this.closing);
    if (end >= 0) {
      sorted.thoughts = this.held.slice(0, end);
      this.held = this.held.slice(end + this.closing.length);
      this.state = 'after';
      return;
    }
    const keep = overlap(this.held, this.closing);
    sorted.thoughts = this.held.slice(0, this.held.length - keep);
    this.held = this.held.slice(this.held.length - keep);
  }

  /** The blank lines between thoughts and answer belong to neither. */
  private resume(sorted: Sorted): void {
    this.held = this.held.trimStart();
    if (this.held === '') return;
    this.state = 'text';
    sorted.text = this.release();
  }

  private release(): string {
    const text = this.held;
    this.held = '';
    return text;
  }
}
