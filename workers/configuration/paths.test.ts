import { describe, expect, it } from 'vitest';
import { absolutePath, leaves, readLocation } from './paths.js';

const read = (value: unknown, glob = false): string => readLocation(value, { what: 'a path', glob });

describe('readLocation', () => {
  it.each([
    'data/rows.csv',
    './data',
    'a/../b',
    'a/..b/c',
    '..data/x',
    '/mnt/data',
    '/mnt/../etc',
    'C:/data',
    'data/größe 1.csv',
    'x'.repeat(1_024),
    'file:///mnt/data%20set',
  ])('takes %j as it was written', (value) => {
    expect(read(value)).toBe(value);
  });

  it('takes wildcards only where they mean something', () => {
    expect(read('data/*.csv', true)).toBe('data/*.csv');
    for (const value of ['data/*.csv', 'a?', 'a[1]', 'a{b}'])
      expect(() => read(value), value).toThrow('without wildcards');
  });

  it.each([
    [undefined, 'expected a path'],
    [5, 'expected a path'],
    ['', 'expected a path'],
    ['  ', 'expected a path'],
    ['x'.repeat(1_025), 'of at most 1 024 characters'],
    ['a\0b', 'without control characters'],
    ['a\nb', 'without control characters'],
    ['a\ud800b', 'in well-formed Unicode'],
    ['s3://bucket/x', 's3://... is not supported yet'],
    ['HTTPS://host/x', 'https://... is not supported yet'],
    ['ftp://host/x', 'ftp: is not a known kind of address'],
    ['..', 'inside the project folder'],
    ['../x', 'inside the project folder'],
    ['a/../../x', 'inside the project folder'],
    [String.raw`..\x`, 'inside the project folder'],
    [String.raw`a\..\..\x`, 'inside the project folder'],
    ['file:x', 'file:///absolute/path'],
    ['file://host/x', 'file:///absolute/path'],
    ['file:///a%2f..%2fb', 'file:///absolute/path'],
    ['file:///a%5C..', 'file:///absolute/path'],
    ['file:///a%00', 'file:///absolute/path'],
    ['file:///a%zz', 'file:///absolute/path'],
  ])('refuses %j', (value, says) => {
    for (const glob of [false, true]) expect(() => read(value, glob)).toThrow(says);
  });
});

it('leaves: whether a relative path points outside', () => {
  expect(['.', 'a', '...', '..a/b', 'a/..'].filter(leaves)).toEqual([]);
  expect(['..', '../a', 'a/../..', '/etc'].filter((path) => !leaves(path))).toEqual([]);
});

it('absolutePath: from the project folder, or as the address says', () => {
  expect(absolutePath('data/x', '/project')).toBe('/project/data/x');
  expect(absolutePath('/mnt/x', '/project')).toBe('/mnt/x');
  expect(absolutePath('file:///mnt/data%20set', '/project')).toBe('/mnt/data set');
});
