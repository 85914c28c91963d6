// CPU per request of the router's data path (split, per-version counts with latency histogram, request log) against nginx with
// split_clients, in the same run, in front of the same backends. Needs the package built and nginx on the path:
//   npm run build && node activities/onprem/serving/bench-router.mjs [seconds per round]
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const built = (name) => import(new URL(`../dist/serving/${name}.js`, import.meta.url).href);
const connections = 32;
const rounds = 3;
const path = '/v2/models/bench/infer';
const requestBody = JSON.stringify({
  id: '0123456789ab',
  inputs: [{ name: 'x', shape: [1, 4], datatype: 'FP32', data: [0.1, 0.2, 0.3, 0.4] }],
});
const responseBody = (version) =>
  `{"model_name":"bench","model_version":"${version}","id":"0123456789ab","outputs":[{"name":"probability","datatype":"FP32","shape":[1,1],"data":[0.73105]}]}`;

/** The router's data path without its model servers: they are not what is measured. */
async function serve(championPort, candidatePort, folder) {
  const [{ openTraffic }, { openCounters }, { openRequestLog }, { openFront, defaultFrontLimits }, { openUpstream }] =
    await Promise.all(['traffic', 'counters', 'request-log', 'front', 'upstream'].map(built));
  const maxBodyBytes = 2 ** 20;
  const upstreams = new Map([
    ['v1', openUpstream({ port: championPort, maxBodyBytes })],
    ['v2', openUpstream({ port: candidatePort, maxBodyBytes })],
  ]);
  const log = openRequestLog(join(folder, 'log'), {
    rotateBytes: 2 ** 26,
    keepBytes: 2 ** 28,
    onProblem: console.error,
  });
  const counters = openCounters(join(folder, 'counters'));
  setInterval(() => void counters.flush(), 1_000);
  const traffic = openTraffic({
    endpoint: 'bench',
    stickiness: undefined,
    requestTimeoutMs: 10_000,
    counters,
    log,
    upstreamOf: (version) => upstreams.get(version),
    beforePick: () => undefined,
  });
  const version = (id, order, weight) => ({ id, order, weight, digest: '', filesDigest: '', deployKey: id });
  traffic.apply({ revision: 1, versions: [version('v1', 1, 90), version('v2', 2, 10)] });
  const front = await openFront({
    port: 0,
    wantedHeader: undefined,
    limits: defaultFrontLimits,
    handle: (head, body, respond) => traffic.infer(head, body, respond),
  });
  process.send({ port: front.port });
}

function nginxConfig(folder, ports, options) {
  const backend = (port, version) => `server { listen 127.0.0.1:${port}; keepalive_requests 1000000000;
    location / { default_type application/json; return 200 '${responseBody(version)}'; } }`;
  const proxy = `upstream v1 { server 127.0.0.1:${ports.v1}; keepalive 64; keepalive_requests 1000000000; }
  upstream v2 { server 127.0.0.1:${ports.v2}; keepalive 64; keepalive_requests 1000000000; }
  split_clients "$request_id" $arm { 10% v2; * v1; }
  log_format arms '$request_id $arm $status $request_time';
  server { listen 127.0.0.1:${ports.proxy}; keepalive_requests 1000000000;
    access_log ${options.log ? `${folder}/access.log arms buffer=64k flush=1s` : 'off'};
    location / { proxy_pass http://$arm; proxy_http_version 1.1; proxy_set_header Connection ""; add_header x-version $arm; } }`;
  return `daemon off; master_process off; worker_processes 1; pid ${folder}/${options.name}.pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http { access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f; uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
  ${options.proxy ? proxy : `${backend(ports.v1, 'v1')} ${backend(ports.v2, 'v2')}`}
}`;
}

function startNginx(folder, ports, options) {
  const file = join(folder, `${options.name}.conf`);
  writeFileSync(file, nginxConfig(folder, ports, options));
  return spawn('nginx', ['-p', folder, '-c', file], { stdio: 'ignore' });
}

const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

/** Sends requests over keep-alive connections for some seconds; how many were answered with 200. */
async function load(port, seconds) {
  const request = Buffer.from(
    `POST ${path} HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: ${requestBody.length}\r\n\r\n${requestBody}`
  );
  const untilMs = Date.now() + seconds * 1000;
  let answered = 0;
  const one = () =>
    new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true });
      let received = '';
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed')));
      socket.on('connect', () => socket.write(request));
      socket.on('data', (chunk) => {
        received += chunk.latin1Slice();
        const head = received.indexOf('\r\n\r\n');
        if (head < 0) return;
        const length = Number(/content-length: (\d+)/i.exec(received)[1]);
        if (received.length < head + 4 + length) return;
        if (!received.startsWith('HTTP/1.1 200')) return reject(new Error(received));
        received = '';
        answered += 1;
        if (Date.now() < untilMs) socket.write(request);
        else {
          socket.removeAllListeners('close');
          socket.destroy();
          resolve();
        }
      });
    });
  await Promise.all(Array.from({ length: connections }, one));
  return answered;
}

async function untilOpen(port) {
  for (let i = 0; i < 200; i++) {
    const open = await new Promise((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true));
      socket.on('error', () => resolve(false));
      socket.on('connect', () => socket.destroy());
    });
    if (open) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nothing listens on port ${port}`);
}

async function freePorts(count) {
  const { createServer } = await import('node:net');
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise((resolve) => {
          const s = createServer().listen(0, '127.0.0.1', () => resolve(s));
        })
    )
  );
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

async function main(seconds) {
  if (spawnSync('nginx', ['-v']).error !== undefined) {
    const why = 'nginx is not on the path (Debian: apt-get install nginx-light)';
    if (process.env['RETEMPO_REQUIRE_PEERS'] === '1') {
      console.error(why);
      process.exitCode = 1;
      return;
    }
    console.log(`skipped: ${why}`);
    process.send?.({ skipped: why });
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'retempo-bench-'));
  const [v1, v2, quiet, logging] = await freePorts(4);
  const children = [
    startNginx(folder, { v1, v2 }, { name: 'backend', proxy: false }),
    startNginx(folder, { v1, v2, proxy: quiet }, { name: 'quiet', proxy: true, log: false }),
    startNginx(folder, { v1, v2, proxy: logging }, { name: 'logging', proxy: true, log: true }),
  ];
  try {
    await Promise.all([v1, v2, quiet, logging].map(untilOpen));
    const router = spawn(
      process.execPath,
      [fileURLToPath(import.meta.url), '--serve', String(v1), String(v2), folder],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      }
    );
    children.push(router);
    const { port } = await new Promise((resolve) => router.once('message', resolve));
    const subjects = [
      { name: 'nginx split_clients', pid: children[1].pid, port: quiet, best: Infinity },
      { name: 'nginx split_clients, access log', pid: children[2].pid, port: logging, best: Infinity },
      { name: 'router (counts, histogram, request log)', pid: router.pid, port, best: Infinity },
    ];
    for (const { port } of subjects) await load(port, 1);
    for (let round = 0; round < rounds; round++) {
      for (const subject of subjects) {
        const before = cpuSeconds(subject.pid);
        const answered = await load(subject.port, seconds);
        const microseconds = ((cpuSeconds(subject.pid) - before) / answered) * 1e6;
        subject.best = Math.min(subject.best, microseconds);
        console.log(
          `${subject.name}: ${Math.round(answered / seconds)} requests/s, ${microseconds.toFixed(1)} µs CPU per request`
        );
      }
    }
    const [nginx, nginxLog, own] = subjects.map(({ best }) => best);
    console.log(
      `ratio to nginx: ${(own / nginx).toFixed(2)}; to nginx with access log: ${(own / nginxLog).toFixed(2)} (mark: <= 1.6)`
    );
    const row = (what, value) => ({ what, value, unit: 'x', mark: 1.6, kind: 'shown' });
    process.send?.({
      rows: [
        row('CPU per request, of nginx split_clients', own / nginx),
        row('CPU per request, of the same with an access log', own / nginxLog),
      ],
    });
  } finally {
    for (const child of children) child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true });
  }
}

if (process.argv[2] === '--serve') await serve(Number(process.argv[3]), Number(process.argv[4]), process.argv[5]);
else await main(Number(process.argv[2] ?? 5));
