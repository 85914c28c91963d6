const duration = (examples: readonly string[]): object => ({
  type: 'string',
  pattern: '^[0-9.]+ ?(ms|s|m|h|d)$',
  examples,
});
const size = (examples: readonly string[]): object => ({
  type: 'string',
  pattern: '^[0-9.]+ ?([KMGT]i?B?|B)$',
  examples,
});
const port = { type: 'integer', minimum: 0, maximum: 65_535 };
const slug = { pattern: '^[a-z][a-z0-9-]{0,62}$' };

const section = (properties: object): object => ({ type: 'object', properties, additionalProperties: false });

/** JSON Schema of a local site's entry in `retempo.yaml`, for editors. Coarser than the check itself. */
export const configJsonSchema = (): object =>
  section({
    root: { type: 'string', minLength: 1, maxLength: 1024 },
    pools: {
      type: 'object',
      minProperties: 1,
      propertyNames: slug,
      additionalProperties: {
        ...section({ slots: { type: 'integer', minimum: 1, maximum: 10_000 } }),
        required: ['slots'],
      },
    },
    stopGrace: duration(['30s']),
    keepJobs: duration(['7d']),
    endpoints: {
      type: 'object',
      propertyNames: slug,
      additionalProperties: section({
        dataPort: port,
        adminPort: port,
        stickiness: {
          anyOf: [
            {
              ...section({ header: { type: 'string', pattern: '^[A-Za-z0-9-]{1,64}$' } }),
              required: ['header'],
            },
            { ...section({ by: { const: 'id' } }), required: ['by'] },
          ],
        },
        requestTimeout: duration(['10s']),
        logRotateAt: size(['16MiB']),
        logKeep: size(['4GiB']),
      }),
    },
  });
