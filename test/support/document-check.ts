import { createConfig, lintFromString } from '@redocly/openapi-core';
import { Ajv2020 } from 'ajv/dist/2020.js';

export interface OpenApi {
  openapi: string;
  /** By path, then by method. */
  paths: Record<string, Record<string, OperationObject>>;
}

export interface OperationObject {
  summary: string;
  security: unknown[];
  parameters?: { name: string; schema: { minimum: number; maximum: number } }[];
  responses: Record<string, { headers?: Record<string, unknown>; content?: Record<string, unknown> }>;
}

export interface AsyncApi {
  asyncapi: string;
  channels: Record<string, { address: string }>;
  components: { messages: Record<string, { name: string }> };
}

/** Rules in addition to the structure that the format's specification requires. */
const RULES = {
  struct: 'error',
  'no-unresolved-refs': 'error',
  'no-unused-components': 'error',
  'operation-operationId-unique': 'error',
  'path-parameters-defined': 'error',
  'security-defined': 'error',
} as const;

/** The faults that a validator of OpenAPI 3.1 and AsyncAPI 3.0 finds in a document. */
export async function faultsOf(document: object): Promise<string[]> {
  const config = await createConfig({ rules: RULES });
  const found = await lintFromString({
    source: JSON.stringify(document),
    absoluteRef: '/document.json',
    config,
  });
  return found.map(({ ruleId, message, location }) => `${ruleId}: ${message} at ${location[0]?.pointer}`);
}

/** Compares real answers and frames with the schemas of a document. */
export class DocumentCheck {
  private readonly ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true });

  constructor(private readonly document: object) {
    this.ajv.addSchema(document, 'document');
  }

  /** The faults in `value` according to the schema at this place in the document. Throws when there is none. */
  faults(place: readonly string[], value: unknown): string[] {
    let schema: unknown = this.document;
    for (const step of place) schema = (schema as Record<string, unknown> | undefined)?.[step];
    if (schema === undefined) throw new Error(`expected a schema at ${place.join(' > ')}`);
    const pointer = place
      .map((step) => step.replaceAll('~', '~0').replaceAll('/', '~1'))
      .map(encodeURIComponent);
    const validate = this.ajv.compile({ $ref: `document#/${pointer.join('/')}` });
    if (validate(value)) return [];
    return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
  }
}
