/** Length of the longest end of `text` that begins `next`. */
export function overlap(text: string, next: string): number {
  for (let length = Math.min(text.length, next.length); length > 0; length--)
    if (text.endsWith(next.slice(0, length))) return length;
  return 0;
}
