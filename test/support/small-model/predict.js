// The evaluator that belongs to train.js: every customer leaves as often as those it has seen.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const { inputs } = JSON.parse(await readFile(process.env.RETEMPO_INPUT, 'utf8'));
const share = JSON.parse(await readFile(join(inputs.model, 'share.json'), 'utf8'));
const lines = ['id,probability'];
for (const name of await readdir(inputs.evaluate)) {
  const file = await asyncBufferFromFile(join(inputs.evaluate, name));
  for (const { id } of await parquetReadObjects({ file, columns: ['id'], compressors })) lines.push(`${id},${share}`);
}
await writeFile(join(process.env.RETEMPO_OUTPUT, 'predictions.csv'), `${lines.join('\n')}\n`);
