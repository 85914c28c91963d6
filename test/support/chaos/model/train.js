// Learns nothing: a model that answers with the sigmoid of what it is asked. Says which process it is, in its log and in
// what it makes, so that a check from outside can count processes and tell whose work a version is.
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** `probability = Sigmoid(x)`, float [n, 1] in and out: onnx.proto of ONNX 1.16 encoded by hand (IR version 8, opset 13). */
const onnx =
  'CAgSDHJldGVtcG8tdGVzdDpaChwKAXgSC3Byb2JhYmlsaXR5GgFwIgdTaWdtb2lkEgR0aW55WhQKAXgSDwoNCAESCQoDEgFuCgIIAWIeCgtwcm9iYWJpbGl0eRIPCg0IARIJCgMSAW4KAggBQgIQDQ==';

process.stdout.write(`training process ${process.pid} started\n`);
const { parameters } = JSON.parse(await readFile(process.env.RETEMPO_INPUT, 'utf8'));
// It trains for so long, or until somebody makes this file.
const { seconds = 0, until } = parameters;
for (let step = 1; until === undefined ? step <= seconds * 10 : !existsSync(until); step++) {
  await sleep(100);
  process.stdout.write(`${JSON.stringify({ progress: until === undefined ? step / seconds / 10 : 0.5, step })}\n`);
}
await writeFile(join(process.env.RETEMPO_OUTPUT, 'model.onnx'), Buffer.from(onnx, 'base64'));
const made = { pid: process.pid, at: new Date().toISOString() };
await writeFile(join(process.env.RETEMPO_OUTPUT, 'made-by.json'), JSON.stringify(made));
