// Gives every row of the input `evaluate` the same probability.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const { inputs } = JSON.parse(await readFile(process.env.RETEMPO_INPUT, 'utf8'));
const lines = ['id,p'];
for (const name of await readdir(inputs.evaluate)) {
  if (!name.endsWith('.parquet')) continue;
  const file = await asyncBufferFromFile(join(inputs.evaluate, name));
  for (const { id } of await parquetReadObjects({ file, columns: ['id'], compressors })) lines.push(`${id},0.3`);
}
await writeFile(join(process.env.RETEMPO_OUTPUT, 'predictions.csv'), `${lines.join('\n')}\n`);
