// The program that test jobs run. It reports its own life to the folder ORACLE, so that a test counts starts and living
// programs without asking the product.
import { appendFileSync, existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';

const { ORACLE, RETEMPO_JOB, RETEMPO_INPUT, RETEMPO_OUTPUT, RETEMPO_CHECKPOINT } = process.env;
const stat = readFileSync('/proc/self/stat', 'utf8');
const startTicks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19];
const report = (file, line) => appendFileSync(`${ORACLE}/${file}`, `${line}\n`);
report(`${RETEMPO_JOB}.starts`, `${process.pid} ${startTicks}`);

const input = JSON.parse(readFileSync(RETEMPO_INPUT, 'utf8'));
const forever = () => setInterval(() => undefined, 1000);
const later = (ms, work) => setTimeout(() => work(), ms);

const behaviours = {
  succeed() {
    writeFileSync(`${RETEMPO_OUTPUT}/result.txt`, `the result of ${RETEMPO_JOB}\n`);
  },
  slowly() {
    report('live', '+');
    later(input.parameters.ms, () => {
      report('live', '-');
      behaviours.succeed();
    });
  },
  fail() {
    console.log('reading');
    console.error('no such column: fare');
    process.exitCode = 3;
  },
  run() {
    console.log('starting up');
    console.log(JSON.stringify({ progress: 0.5, step: 1 }));
    forever();
  },
  stubborn() {
    process.on('SIGTERM', () => report(`${RETEMPO_JOB}.term`, 'asked'));
    behaviours.run();
  },
  saving() {
    process.on('SIGTERM', () => {
      report(`${RETEMPO_JOB}.term`, 'asked');
      setInterval(() => existsSync(input.parameters.until) && process.exit(0), 20);
    });
    behaviours.run();
  },
  family() {
    const sleeper = ['-e', 'process.on("SIGTERM", () => {}); setInterval(() => {}, 1000)'];
    const child = spawn(process.execPath, sleeper);
    const away = spawn(process.execPath, sleeper, { detached: true });
    const naked = spawn(process.execPath, sleeper, { env: {} });
    for (const { pid } of [child, away, naked]) report(`${RETEMPO_JOB}.family`, String(pid));
    if (input.parameters.leave === true) later(200, () => process.exit(0));
    forever();
  },
  echo() {
    writeFileSync(
      `${RETEMPO_OUTPUT}/echo.json`,
      JSON.stringify({ argv: process.argv.slice(3), input, env: process.env })
    );
  },
  chatter() {
    const line = `${'x'.repeat(1023)}\n`;
    for (let written = 0; written < input.parameters.bytes; written += line.length) process.stdout.write(line);
    console.log('the very last line');
    process.exitCode = 4;
  },
  checkpoint() {
    const before = readdirSync(RETEMPO_CHECKPOINT).map((name) => readFileSync(`${RETEMPO_CHECKPOINT}/${name}`, 'utf8'));
    writeFileSync(`${RETEMPO_OUTPUT}/before.json`, JSON.stringify({ before, told: input.checkpoint }));
    writeFileSync(`${RETEMPO_CHECKPOINT}/model.tmp`, 'step 7');
    renameSync(`${RETEMPO_CHECKPOINT}/model.tmp`, `${RETEMPO_CHECKPOINT}/model`);
    if (before.length === 0) forever();
  },
  fillDisk() {
    try {
      for (;;) appendFileSync(`${RETEMPO_OUTPUT}/big`, Buffer.alloc(64 * 1024));
    } catch (error) {
      console.error(String(error.code));
      process.exit(7);
    }
  },
};
behaviours[process.argv[2]]();
