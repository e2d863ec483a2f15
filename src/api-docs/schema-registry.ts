import { z } from 'zod';

/** What both documents may name in `components.schemas`. */
const registry = z.registry<{ id: string; description?: string }>();

export type JsonSchema = Record<string, unknown>;

/** Members as they are, one level of naming removed, so that an intersection equals the object that it describes. */
type Plain<T> = { [Member in keyof T]: Plain<T[Member]> };
export type IsSame<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

/**
 * Names the schema of a type of the protocol. Compiles only while the two have the same members, optional ones included:
 * `component<User>()('User', 'An account', z.object({…}))`.
 */
export function component<T>() {
  return <S extends z.ZodType>(
    id: string,
    description: string,
    schema: S,
    ..._proof: IsSame<z.output<S>, T> extends true ? [] : [differs: never]
  ): S => {
    registry.add(schema, { id, description });
    return schema;
  };
}

/** Where a document finds a component. */
export function reference(schema: z.ZodType): JsonSchema {
  const named = registry.get(schema);
  if (named === undefined) throw new Error('expected a schema that component() has named');
  return { $ref: uri(named.id) };
}

function uri(id: string): string {
  return `#/components/schemas/${id}`;
}

/** The components that a document names, and those that they name, as JSON Schema 2020-12. */
export function componentsOf(document: unknown): Record<string, JsonSchema> {
  // As input: a reader of answers ignores members that it does not know, so the schemas do not forbid them.
  const { schemas } = z.toJSONSchema(registry, { uri, io: 'input' });
  const found: Record<string, JsonSchema> = {};
  const waiting = namesIn(document);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const schema = schemas[name];
    if (schema === undefined || name in found) continue;
    // Both documents declare the dialect once; a component's address is its place.
    const { $schema: _dialect, $id: _address, ...rest } = schema as JsonSchema;
    found[name] = rest;
    waiting.push(...namesIn(rest));
  }
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => a.localeCompare(b)));
}

function namesIn(value: unknown): string[] {
  const text = JSON.stringify(value);
  return [...text.matchAll(/"#\/components\/schemas\/([\w.-]+)"/g)].map((match) => match[1] ?? '');
}
