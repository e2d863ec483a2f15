import { z } from 'zod';

const LOOPBACK_HOSTS = new Set(['localhost', '127.0.0.1', '[::1]']);

type Rule = (url: URL, text: string) => string | undefined;

/** `PUBLIC_URL`, as an origin: paths and tickets' addresses are appended to it. */
export function publicUrl() {
  return urlSetting(['http:', 'https:'], noCredentials, noQuery, publicHost).transform(
    (text) => new URL(text).origin,
  );
}

/** The address of an HTTP service, below which its paths are. */
export function serviceUrl() {
  return urlSetting(['http:', 'https:'], noCredentials, noQuery);
}

export function databaseUrl() {
  return urlSetting(['postgres:', 'postgresql:'], percentEncoded);
}

function urlSetting(protocols: readonly string[], ...rules: Rule[]) {
  return z.string().superRefine((text, context) => {
    const isUrl = URL.canParse(text) && protocols.includes(new URL(text).protocol);
    const message = isUrl
      ? rules.map((rule) => rule(new URL(text), text)).find((fault) => fault !== undefined)
      : `a URL that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`;
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

function noCredentials({ username, password }: URL): string | undefined {
  return username + password === '' ? undefined : 'a URL without user and password';
}

function noQuery(_url: URL, text: string): string | undefined {
  return /[?#]/.test(text) ? 'a URL without "?" and "#"' : undefined;
}

function publicHost({ protocol, hostname, pathname }: URL): string | undefined {
  if (protocol === 'http:' && !LOOPBACK_HOSTS.has(hostname))
    return 'https, because plain http is for loopback hosts only';
  if (hostname.includes('*')) return 'the one host that clients dial, without a wildcard';
  return /^\/*$/.test(pathname)
    ? undefined
    : 'a URL without a path: the paths of the server are below its host';
}

/** The client of PostgreSQL decodes these. */
function percentEncoded({ username, password, pathname }: URL): string | undefined {
  try {
    decodeURIComponent(username + password + pathname);
    return undefined;
  } catch (error) {
    if (error instanceof URIError)
      return 'user, password and name percent-encoded, with %25 for a percent sign';
    throw error;
  }
}
