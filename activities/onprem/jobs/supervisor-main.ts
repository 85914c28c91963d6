import type { SupervisorOrder } from './layout.js';
import { supervise } from './supervisor.js';

// Entry of the supervisor process. The order arrives on stdin, so that secrets are never on disk or in an argument list.
// A worker that dies while it writes leaves half an order: nothing is started then, and the next worker sends another.
const chunks: Buffer[] = [];
for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
const text = Buffer.concat(chunks).toString('utf8');
if (!text.endsWith('\n')) {
  console.error(
    `${new Date().toISOString()} incomplete order (${text.length} characters): the worker died while it wrote`
  );
  process.exitCode = 1;
} else {
  await supervise(JSON.parse(text) as SupervisorOrder);
  process.exit(0);
}
