import { z } from 'zod';

/** The schemas that both documents may refer to in `components.schemas`. */
const registry = z.registry<{ id: string; description?: string }>();

export type JsonSchema = Record<string, unknown>;

/** The same members as a plain object type, so that an intersection equals the object with the members of both. */
type Plain<T> = { [Member in keyof T]: Plain<T[Member]> };
export type IsSame<A, B> =
  (<T>() => T extends Plain<A> ? 1 : 2) extends <T>() => T extends Plain<B> ? 1 : 2 ? true : false;

/**
 * Registers the schema of a protocol type. Compiles only while both have the same members, optional ones included:
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

/** A reference to a component. */
export function reference(schema: z.ZodType): JsonSchema {
  const named = registry.get(schema);
  if (named === undefined) throw new Error('expected a schema that component() has registered');
  return { $ref: uri(named.id) };
}

function uri(id: string): string {
  return `#/components/schemas/${id}`;
}

/** The components that a document refers to, directly or through others, as JSON Schema 2020-12. */
export function componentsOf(document: unknown): Record<string, JsonSchema> {
  // As input: clients ignore members that they do not know, so the schemas must allow them.
  const { schemas } = z.toJSONSchema(registry, { uri, io: 'input' });
  const found: Record<string, JsonSchema> = {};
  const waiting = namesIn(document);
  for (let name = waiting.pop(); name !== undefined; name = waiting.pop()) {
    const schema = schemas[name];
    if (schema === undefined || name in found) continue;
    // The document declares the dialect once, and its place in the document identifies a component.
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
