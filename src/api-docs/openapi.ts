import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { ADMIN_OPERATIONS } from './admin-operations.js';
import { AUDIT_OPERATIONS } from './audit-operations.js';
import { CONVERSATION_OPERATIONS } from './conversation-operations.js';
import { FLAG_OPERATIONS } from './flag-operations.js';
import { type Operation, type Operations, TAGS } from './operation.js';
import { type OperationObject, operationObject } from './operation-object.js';
import { HEADERS } from './problem-responses.js';
import { marksOf, operationId } from './route-marks.js';
import { componentsOf } from './schema-registry.js';
import { SERVICE_OPERATIONS } from './service-operations.js';
import { SIGN_IN_OPERATIONS } from './sign-in-operations.js';
import { TICKET_OPERATIONS } from './ticket-operations.js';

/** Version of the interface, not of the program. */
const INTERFACE_VERSION = '1.0.0';

const DESCRIPTION = `Chat over WebSockets. Every socket needs a ticket that is valid once.

1. \`POST /auth/login\` returns an access token, which goes into \`Authorization: Bearer\`.
2. \`POST /websocket/ticket\` returns a ticket, valid once and for seconds, and the address to dial.
3. Dial \`<url>?ticket=<ticket>\`: the first frame is \`ready\`. The frames are described in \`/api/asyncapi.json\`.
4. \`GET /websocket/tickets/{ticket_id}\` tells its owner what became of a ticket.

Conversations and their history are also available over HTTP. Every error is a problem object (RFC 9457):
programs decide by its \`code\` and \`retry\`.`;

/** One row for each route; a test compares the two. */
export const OPERATIONS: Operations = {
  ...SIGN_IN_OPERATIONS,
  ...TICKET_OPERATIONS,
  ...CONVERSATION_OPERATIONS,
  ...ADMIN_OPERATIONS,
  ...AUDIT_OPERATIONS,
  ...FLAG_OPERATIONS,
  ...SERVICE_OPERATIONS,
};

/** For the routes without a controller, which serve these documents: public, and without a rate limit. */
const OWN_MARKS = { isPublic: true, isLimited: false };

/** A route without a row is still shown: a missing row must not break the document. */
const UNDESCRIBED: Operation = { tag: 'Documents', summary: 'Not described', answers: {} };

type Paths = OpenAPIObject['paths'];

/** OpenAPI 3.1 of the running application: its routes and request bodies, with texts and responses of the tables. */
export function buildOpenApi(app: NestFastifyApplication): OpenAPIObject {
  const builder = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Admit One')
    .setDescription(DESCRIPTION)
    .setVersion(INTERFACE_VERSION)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    // Relative, so that requests go to the server that this document came from, also behind a proxy.
    .addServer('/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', bearerFormat: 'JWT' }, 'bearer');
  for (const tag of TAGS) builder.addTag(tag);
  const found = SwaggerModule.createDocument(app, builder.build(), { operationIdFactory: operationId });
  const paths = describe(found.paths, app);
  const schemas = { ...found.components?.schemas, ...componentsOf(paths) };
  const components = { ...found.components, schemas, headers: HEADERS } as OpenAPIObject['components'];
  return { ...found, paths, components: components ?? {} };
}

function describe(found: Paths, app: NestFastifyApplication): Paths {
  const marks = marksOf(app);
  const described: Paths = {};
  for (const [path, methods] of Object.entries(withOwnPaths(found))) {
    const operations = Object.entries(methods as Record<string, OperationObject>).map(
      ([method, operation]) => {
        const row = OPERATIONS[`${method.toUpperCase()} ${path}`] ?? UNDESCRIBED;
        return [
          method,
          operationObject(path, operation, row, marks.get(operation.operationId ?? '') ?? OWN_MARKS),
        ];
      },
    );
    described[path] = Object.fromEntries(operations) as Paths[string];
  }
  return described;
}

function withOwnPaths(found: Paths): Paths {
  const paths = { ...found };
  for (const [route, { tag }] of Object.entries(OPERATIONS)) {
    const path = route.replace('GET ', '');
    const name = path.replace(/\W+(\w)/g, (_match, letter: string) => letter.toUpperCase());
    if (tag === 'Documents') paths[path] = { get: { operationId: `read${name}`, responses: {} } };
  }
  return paths;
}
