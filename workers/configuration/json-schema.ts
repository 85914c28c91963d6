import { z } from 'zod';
import { configSchema } from './config-schema.js';
import { modelSchema } from './model-schema.js';

/** JSON Schema (draft 2020-12) of a model file, for editors. Coarser than the check itself. */
export const modelJsonSchema = (): object => jsonSchemaOf(modelSchema, 'Retempo model file');

/** JSON Schema (draft 2020-12) of `retempo.yaml`, for editors. Coarser than the check itself. */
export const configJsonSchema = (): object => jsonSchemaOf(configSchema, 'Retempo configuration');

function jsonSchemaOf(schema: z.ZodType, title: string): object {
  // The same building blocks appear in many places; written out, so that each place stays readable.
  return { ...z.toJSONSchema(schema, { io: 'input', target: 'draft-2020-12', reused: 'inline' }), title };
}
