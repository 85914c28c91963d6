import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** `code` of a Node system error, or undefined. */
export const errorCode = (error: unknown): string | undefined =>
  typeof error === 'object' && error !== null && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined;

/** Waits until the names in a folder are on the disk. */
export function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

function writeDurably(path: string, text: string): void {
  const descriptor = openSync(path, 'wx', 0o600);
  try {
    writeFileSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The text of a JSON file that is written here. */
export const jsonText = (value: unknown): string => `${JSON.stringify(value)}\n`;

function withTemporary(path: string, value: unknown, publish: (temporary: string) => void): void {
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    writeDurably(temporary, jsonText(value));
    publish(temporary);
  } finally {
    rmSync(temporary, { force: true });
  }
  syncFolder(dirname(path));
}

/** Replaces a JSON file: a reader, and a machine that lost power, sees the old or the new text, never a part. */
export function replaceJson(path: string, value: unknown): void {
  withTemporary(path, value, (temporary) => renameSync(temporary, path));
}

/** Creates a JSON file whole; false when it exists already. */
export function createJson(path: string, value: unknown): boolean {
  let created = true;
  withTemporary(path, value, (temporary) => {
    try {
      linkSync(temporary, path);
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error;
      created = false;
    }
  });
  return created;
}

/** The value in a JSON file, or null when there is no such file. Throws an error that names the file when it holds no JSON. */
export function readJson(path: string): unknown {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || errorCode(error) === 'ENOTDIR') return null;
    throw error;
  }
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    // Written whole or not at all: this was not written here.
    throw new Error(`${path} was changed from outside and is no JSON any more (${(error as Error).message})`, {
      cause: error,
    });
  }
}

/**
 * Creates a folder with its first content at once: it appears under its name complete or not at all. False when the
 * name is taken; a folder made here is never empty, and renaming onto a folder that is not empty fails.
 */
export function createFolder(path: string, fill: (temporary: string) => void): boolean {
  const temporary = `${dirname(path)}/.new-${process.pid}-${randomBytes(6).toString('hex')}`;
  mkdirSync(temporary, { recursive: true, mode: 0o700 });
  try {
    fill(temporary);
    syncFolder(temporary);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { recursive: true, force: true });
    if (errorCode(error) === 'ENOTEMPTY' || errorCode(error) === 'EEXIST') return false;
    throw error;
  }
  syncFolder(dirname(path));
  return true;
}
