/** Attributes of an element of SVG. */
type Attributes = Readonly<Record<string, string | number>>;

/** One element of SVG with what is in it. */
export function element(name: string, attributes: Attributes, ...content: string[]): string {
  const list = Object.entries(attributes).map(([key, value]) => ` ${key}="${plain(value)}"`);
  return `<${name}${list.join('')}>${content.join('')}</${name}>`;
}

export function text(x: number, y: number, words: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escaped(words));
}

/** A whole image with a white ground, so that it can be read on a dark page. */
export function image(width: number, height: number, label: string, ...content: string[]): string {
  const frame = {
    xmlns: 'http://www.w3.org/2000/svg',
    ...{ viewBox: `0 0 ${width} ${height}`, width, height },
    ...{ role: 'img', 'aria-label': label },
    ...{ 'font-family': 'system-ui, sans-serif', 'font-size': 13, fill: '#222' },
  };
  return element('svg', frame, element('rect', { width, height, fill: '#fff' }), ...content);
}

export function escaped(words: string): string {
  return words.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;').replaceAll('`', '');
}

function plain(value: string | number): string {
  return typeof value === 'number' ? String(Math.round(value * 100) / 100) : escaped(value);
}
