import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { configJsonSchema, modelJsonSchema } from '@retempo/workers';
import { Option } from 'commander';
import { CliError, exitCode } from '../failure.js';
import type { CommandDefinition } from '../program.js';
import { providers, type Session } from '../session.js';

/** Schemas by name, and the file that editors are pointed to. */
const schemas: { readonly [name: string]: { readonly file: string; readonly make: () => object } } = {
  model: { file: 'model.schema.json', make: modelJsonSchema },
  config: { file: 'retempo.schema.json', make: () => configJsonSchema(providers()) },
};

/** Folder of the schemas in the project; where the first line of a model file points. */
const schemaFolder = '.retempo';

/** `retempo schema`. */
export const schema: CommandDefinition = {
  name: 'schema',
  args: '[name]',
  summary: 'JSON Schemas for editors',
  description:
    'Prints the JSON Schema of model files (model, the default) or of retempo.yaml (config). With --write both are ' +
    'written into .retempo/ of the project, where "# yaml-language-server: $schema=..." lines find them.',
  options: [new Option('--write', 'write the schemas into .retempo/ of the project')],
  examples: ['retempo schema --write', 'retempo schema config > retempo.schema.json'],
  json: 'the schema itself; with --write { v, written: [file] }',
  action: async (session: Session, options: { readonly write?: boolean }, [name]) => {
    const known = Object.keys(schemas);
    if (name !== undefined && !known.includes(name)) {
      throw new CliError(
        exitCode.usage,
        'usage',
        `there is no schema "${name}"; known: ${known.join(', ')}, such as: retempo schema ${known[0]}`
      );
    }
    if (options.write !== true) {
      const made = schemas[name ?? 'model']?.make() ?? {};
      session.result(made, JSON.stringify(made, null, 2));
      return;
    }
    const folder = join(session.projectFolder(), schemaFolder);
    await mkdir(folder, { recursive: true });
    const written: string[] = [];
    for (const one of name === undefined ? known : [name]) {
      const entry = schemas[one];
      if (entry === undefined) continue;
      const file = join(folder, entry.file);
      await writeFile(file, `${JSON.stringify(entry.make(), null, 2)}\n`);
      written.push(file);
    }
    session.result(
      { v: 1, written },
      written.map((file) => `wrote ${file}`)
    );
  },
};
