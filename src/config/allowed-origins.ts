import { z } from 'zod';

/** Schemes whose pages send no origin of their own: an operator who names one means something else. */
const NEVER_SENT = new Set([
  'file:',
  'data:',
  'blob:',
  'about:',
  'javascript:',
  'ftp:',
  'mailto:',
  'filesystem:',
]);
/** Schemes with a host, as apps and extensions have them: capacitor, ionic, tauri, app, chrome-extension, moz-extension. */
const APP_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[\w.~-]+(:\d{1,5})?$/;

/** As much of an entry is repeated in a message. */
const MAX_SHOWN = 100;

/** The setting `ALLOWED_ORIGINS`: each entry exactly as clients send it, because it is compared as text. */
export function allowedOrigins() {
  return z.string().transform((value, context): string[] => {
    const origins = value.split(',').map((entry) => entry.trim());
    const faults = origins.flatMap((entry) => originFault(entry) ?? []);
    if (faults.length === 0) return origins;
    const [first = ''] = faults;
    const message = `origins as clients send them, separated by commas, such as https://chat.example.com (${first})`;
    context.addIssue({ code: 'custom', message });
    return z.NEVER;
  });
}

/** Why an entry can never match the `Origin` of a request, or must not. */
function originFault(entry: string): string | undefined {
  const shown = JSON.stringify(entry.slice(0, MAX_SHOWN));
  if (entry === '') return 'an entry is empty';
  if (entry.includes('*'))
    return `${shown} has a wildcard, which is compared like any letter: name each origin`;
  if (entry === 'null' || /^file:/i.test(entry))
    return `${shown}: files and sandboxed pages of any site send "null"`;
  if (!URL.canParse(entry)) return `${shown} has no scheme or host`;
  const url = new URL(entry);
  if (/^wss?:$/.test(url.protocol))
    return `${shown} is the address of a socket: write that of its page, http or https`;
  if (NEVER_SENT.has(url.protocol)) return `${shown} is the origin of no page`;
  // WHATWG URL: only these two have an origin that is not opaque there; engines write that of an app in the same form.
  const isWeb = url.protocol === 'http:' || url.protocol === 'https:';
  const sent = isWeb ? url.origin : `${url.protocol}//${url.host}`;
  if (!isWeb && !APP_ORIGIN.test(sent)) return `${shown} has no host that can be sent`;
  return sent === entry ? undefined : `${shown} is sent as ${sent}`;
}
