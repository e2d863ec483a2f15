import { FLAGS } from '../../config/flags.js';

/** Deprecation date of the legacy methods. */
const DEPRECATED_SINCE = Date.UTC(2026, 10, 1);

/** RFC 9745 and RFC 8594: when the legacy method was deprecated, and when it ends. */
export const SUNSET_HEADERS = {
  deprecation: `@${DEPRECATED_SINCE / 1000}`,
  sunset: new Date(FLAGS.legacy_query_token.removeAfter).toUTCString(),
} as const;
