import { jest } from '@jest/globals';

// Two nodes and a Redis take seconds to start on a busy machine; each wait inside a test has a tighter limit of its own.
jest.setTimeout(60_000);
