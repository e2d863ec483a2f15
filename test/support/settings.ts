/** The least that a node needs. */
export const REQUIRED = {
  DATABASE_URL: 'postgres://127.0.0.1/db',
  REDIS_URL: 'redis://127.0.0.1',
  JWT_SECRET: 's'.repeat(32),
};

/** What is said of settings when they are loaded; nothing of those that can be used. */
export function complaintOf(load: () => unknown): string {
  try {
    load();
    return '';
  } catch (error) {
    if (error instanceof Error && error.name === 'ConfigError') return error.message;
    throw error;
  }
}
