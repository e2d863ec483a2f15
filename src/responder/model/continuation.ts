import { modelUnavailable } from './model-reply.js';
import { overlap } from './overlap.js';

/** A model that repeats this much of the beginning writes its answer anew. */
const BEGINNING_LENGTH = 40;
/** A shorter repetition may be meant. */
const MIN_REPETITION = 12;
const MAX_OVERLAP = 200;

/**
 * Joins what a model writes after a takeover to the text that is there. Not every model goes on where the text ends: some
 * begin anew, some repeat the last words. No text is shown twice.
 */
export class Continuation {
  private state: 'undecided' | 'repeating' | 'passing';
  private held = '';
  /** How much of the text has been repeated. */
  private repeated = 0;
  private readonly text: string;
  private readonly beginning: string;
  private readonly end: string;

  /** @param written the text of earlier attempts */
  constructor(written: string) {
    this.text = written.trimStart();
    this.state = this.text === '' ? 'passing' : 'undecided';
    this.beginning = this.text.slice(0, BEGINNING_LENGTH);
    this.end = written.slice(-MAX_OVERLAP);
  }

  /** The part of a piece that is new. @throws AppError `dependency_unavailable` if the model begins anew, with other words */
  push(piece: string): string {
    if (this.state === 'passing') return piece;
    this.held += piece;
    if (this.state === 'undecided') {
      if (this.mayBegin || this.mayOverlap) return '';
      this.state = this.decide();
    }
    return this.state === 'repeating' ? this.repeat() : this.pass(this.overlapped);
  }

  /** What was held back until it was clear where it belongs. */
  rest(): string {
    if (this.state !== 'undecided') return '';
    return this.decide() === 'repeating' ? '' : this.pass(this.overlapped);
  }

  private get mayBegin(): boolean {
    const begun = this.held.trimStart();
    return begun.length < this.beginning.length && this.beginning.startsWith(begun);
  }

  /** The end of the text may hold all that has come, and more. */
  private get mayOverlap(): boolean {
    const at = this.end.indexOf(this.held);
    return at >= 0 && at + this.held.length < this.end.length;
  }

  private get overlapped(): number {
    const length = overlap(this.end, this.held);
    if (length >= MIN_REPETITION) return length;
    return this.end.endsWith(' ') && this.held.startsWith(' ') ? 1 : 0;
  }

  private decide(): 'repeating' | 'passing' {
    const begun = this.held.trimStart();
    const wanted = Math.min(this.beginning.length, MIN_REPETITION);
    if (!begun.startsWith(this.beginning.slice(0, wanted))) return 'passing';
    this.held = begun;
    return 'repeating';
  }

  private repeat(): string {
    const length = Math.min(this.held.length, this.text.length - this.repeated);
    if (!this.text.startsWith(this.held.slice(0, length), this.repeated)) {
      throw modelUnavailable('expected the model to go on with its answer, it began anew with other words');
    }
    this.repeated += length;
    if (this.repeated === this.text.length) return this.pass(length);
    this.held = '';
    return '';
  }

  private pass(from: number): string {
    this.state = 'passing';
    const text = this.held.slice(from);
    this.held = '';
    return text;
  }
}
