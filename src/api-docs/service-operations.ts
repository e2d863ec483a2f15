import type { Operation, Operations } from './operation.js';
import { dependencyReport, healthReport } from './resource-schemas.js';

export const SERVICE_OPERATIONS: Operations = {
  'GET /health': health('Ask whether the node may be sent requests'),
  'GET /health/live': health('Ask whether the process answers', 'Touches neither Redis nor Postgres.'),
  'GET /health/ready': health('Ask whether the node may be sent requests', 'The same as `/health`.'),
  'GET /health/full': {
    tag: 'Health',
    summary: 'See which dependencies are up, and how fast they answer',
    description:
      '`redis` and `postgres` are required; without the `responder` the node serves everything but answers.',
    answers: {
      200: { description: 'The required ones are up', schema: dependencyReport },
      503: { description: 'One of the required ones is down or loading', schema: dependencyReport },
    },
  },
  'GET /health/websocket': health(
    'Ask whether the node lets upgrades in',
    '503 whenever an upgrade would be answered 503, and by the same code.',
  ),
  'GET /metrics': {
    tag: 'Health',
    summary: 'Read the metrics',
    description: "With `Authorization: Bearer` and the operator's `METRICS_TOKEN`, if one is set.",
    answers: { 200: { description: 'In the text format of Prometheus', mediaType: 'text/plain' } },
    failures: ['token_missing'],
  },
  'GET /api/docs': page('Read about the HTTP interface', 'Swagger UI, where requests can be tried.'),
  'GET /api/redoc': page('Read about the HTTP interface', 'Redoc, for reading and printing.'),
  'GET /api/v1/docs': {
    tag: 'Documents',
    summary: 'Old address of `/api/docs`',
    answers: { 308: { description: 'The page has moved', headers: { Location: '`/api/docs`' } } },
  },
  'GET /api/openapi.json': document('Read this document', 'OpenAPI 3.1'),
  'GET /api/asyncapi.json': document('Read about the frames of the sockets', 'AsyncAPI 3.0'),
};

function health(summary: string, description?: string): Operation {
  return {
    tag: 'Health',
    summary,
    ...(description === undefined ? {} : { description }),
    answers: {
      200: { description: 'Yes', schema: healthReport },
      503: { description: 'No; the report says why', schema: healthReport },
    },
  };
}

function page(summary: string, description: string): Operation {
  const answers = { 200: { description: 'A page', mediaType: 'text/html' } };
  return { tag: 'Documents', summary, description, answers };
}

function document(summary: string, format: string): Operation {
  const answers = { 200: { description: format, mediaType: 'application/json' } };
  return { tag: 'Documents', summary, answers };
}
