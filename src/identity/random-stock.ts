import { randomFillSync } from 'node:crypto';

const DRAWS = 128;

/** Random secrets of one length, fetched from the system many at a time: tickets are made by the thousand. */
export class RandomStock {
  private readonly stock: Buffer;
  private used: number;

  constructor(private readonly bytes: number) {
    this.stock = Buffer.alloc(bytes * DRAWS);
    this.used = this.stock.length;
  }

  /** The next secret, as base64url; it is no longer in the stock. */
  take(): string {
    if (this.used === this.stock.length) {
      randomFillSync(this.stock);
      this.used = 0;
    }
    const own = this.stock.subarray(this.used, this.used + this.bytes);
    this.used += this.bytes;
    const secret = own.toString('base64url');
    own.fill(0);
    return secret;
  }
}
