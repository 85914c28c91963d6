// Somebody's own trainer, written from the README alone: reads the rows, and exports an ONNX graph of one node.
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

/** `probability = Sigmoid(x)`, float [n, 1] in and out: onnx.proto of ONNX 1.16 encoded by hand (IR version 8, opset 13). */
const onnx =
  'CAgSDHJldGVtcG8tdGVzdDpaChwKAXgSC3Byb2JhYmlsaXR5GgFwIgdTaWdtb2lkEgR0aW55WhQKAXgSDwoNCAESCQoDEgFuCgIIAWIeCgtwcm9iYWJpbGl0eRIPCg0IARIJCgMSAW4KAggBQgIQDQ==';

const { inputs } = JSON.parse(await readFile(process.env.RETEMPO_INPUT, 'utf8'));
let rows = 0;
let left = 0;
for (const name of await readdir(inputs.train)) {
  const file = await asyncBufferFromFile(join(inputs.train, name));
  for (const row of await parquetReadObjects({ file, columns: ['left'], compressors })) {
    rows += 1;
    left += Number(row.left);
  }
}
console.log(`${rows} rows`);
console.log(JSON.stringify({ progress: 1, loss: 0.6 }));
const output = process.env.RETEMPO_OUTPUT;
await writeFile(join(output, 'model.onnx'), Buffer.from(onnx, 'base64'));
await writeFile(join(output, 'share.json'), JSON.stringify(left / rows));
