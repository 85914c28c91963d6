// Predicts with the model of the input `model` for every flight of the input `evaluate`: predictions.csv with the columns
// flightId and p (probability of being more than 15 minutes late), one row per flight.
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { predict } from './lib/fit.js';
import { inputFolder, log, readJob } from './lib/job.js';
import { readRows, toFlights } from './lib/table.js';

const job = await readJob(process.env);
const model = JSON.parse(await readFile(join(inputFolder(job, 'model'), 'model.json'), 'utf8'));
const flights = toFlights(await readRows(inputFolder(job, 'evaluate')));
const probabilities = predict(model, flights);
const lines = flights.flightId.map((id, row) => `${id},${probabilities[row]}`);
await writeFile(join(job.output, 'predictions.csv'), `flightId,p\n${lines.join('\n')}\n`);
log(`predicted ${lines.length} flights`);
