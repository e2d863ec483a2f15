import type { OpenAPIObject } from '@nestjs/swagger';
import type { Answer, Operation } from './operation.js';
import {
  commonFailures,
  headerReferences,
  problemResponses,
  RATE_LIMIT_HEADERS,
  type ResponseObject,
} from './problem-responses.js';
import type { RouteMarks } from './route-marks.js';
import { type JsonSchema, reference } from './schema-registry.js';

export type OperationObject = NonNullable<OpenAPIObject['paths'][string]['get']>;
type ParameterObject = Extract<NonNullable<OperationObject['parameters']>[number], { name: string }>;

/** A route as the document shows it, from its controller, its row in the table and its guards. */
export function operationObject(
  path: string,
  found: OperationObject,
  row: Operation,
  marks: RouteMarks,
): OperationObject {
  const { requestBody } = found;
  const parameters = parametersOf(path, found, row);
  const circumstances = {
    ...marks,
    hasBody: requestBody !== undefined,
    hasParameters: (found.parameters ?? []).some(
      (parameter) => 'in' in parameter && parameter.in === 'query',
    ),
  };
  const failures = [...(row.failures ?? []), ...commonFailures(circumstances)];
  const answers = Object.entries(row.answers).map(([status, answer]): [string, ResponseObject] => [
    status,
    answerObject(answer, marks.isLimited),
  ]);
  return {
    operationId: found.operationId,
    tags: [row.tag],
    summary: row.summary,
    ...(row.description === undefined ? {} : { description: row.description }),
    parameters,
    ...(requestBody === undefined ? {} : { requestBody: { ...requestBody, required: !row.isBodyOptional } }),
    // A health report with status 503 is not a problem object.
    responses: { ...problemResponses(failures, marks.isLimited), ...Object.fromEntries(answers) },
    security: marks.isPublic ? [] : [{ bearer: [] }],
  };
}

/** The parameters that the controller declares, as the row describes them; then those that only the row has. */
function parametersOf(path: string, found: OperationObject, row: Operation): ParameterObject[] {
  const declared = (found.parameters ?? []).filter((parameter) => 'name' in parameter);
  const names = declared.map(({ name }) => name);
  const unread = Object.entries(row.parameters ?? {}).filter(([name]) => !names.includes(name));
  return [
    ...declared.map((parameter) => ({
      ...parameter,
      schema: row.parameters?.[parameter.name] ?? parameter.schema ?? {},
    })),
    ...unread.map(([name, schema]) => ({
      name,
      in: path.includes(`{${name}}`) ? ('path' as const) : ('query' as const),
      required: true,
      schema,
    })),
  ];
}

function answerObject(
  { description, schema, mediaType, headers }: Answer,
  isLimited: boolean,
): ResponseObject {
  const described = Object.entries(headers ?? {}).map(([name, text]): [string, JsonSchema] => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description,
    headers: {
      ...headerReferences(isLimited ? RATE_LIMIT_HEADERS : []),
      ...Object.fromEntries(described),
    },
    ...(schema === undefined ? {} : { content: { 'application/json': { schema: reference(schema) } } }),
    ...(mediaType === undefined ? {} : { content: { [mediaType]: {} } }),
  };
}
