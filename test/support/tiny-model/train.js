// Learns nothing: a model that answers with the sigmoid of what it is asked, after a few steps of progress.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/**
 * An ONNX graph of one node, `probability = Sigmoid(x)`, float [n, 1] in and out: onnx.proto of ONNX 1.16 encoded by hand
 * (IR version 8, opset 13), 112 bytes.
 */
const onnx =
  'CAgSDHJldGVtcG8tdGVzdDpaChwKAXgSC3Byb2JhYmlsaXR5GgFwIgdTaWdtb2lkEgR0aW55WhQKAXgSDwoNCAESCQoDEgFuCgIIAWIeCgtwcm9iYWJpbGl0eRIPCg0IARIJCgMSAW4KAggBQgIQDQ==';

const { parameters } = JSON.parse(await readFile(process.env.RETEMPO_INPUT, 'utf8'));
const { steps = 3, pauseMs = 0 } = parameters;
for (let step = 1; step <= steps; step++) {
  await sleep(pauseMs);
  process.stdout.write(`${JSON.stringify({ progress: step / steps, step, loss: 1 / step })}\n`);
}
await writeFile(join(process.env.RETEMPO_OUTPUT, 'model.onnx'), Buffer.from(onnx, 'base64'));
