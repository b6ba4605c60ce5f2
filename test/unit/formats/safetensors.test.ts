import { describe, expect, it } from '@jest/globals';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { EspalierError } from '../../../src/errors/espalier-error.js';
import { InvalidFileError } from '../../../src/errors/files.js';
import { MAX_HEADER_BYTES, parseHeader } from '../../../src/formats/safetensors/header.js';
import { SafetensorsFile } from '../../../src/formats/safetensors/safetensors-file.js';
import { writeSafetensors } from '../../../src/formats/safetensors/write-safetensors.js';
import { temporaryFolders } from './support/folder.js';

const newFolder = temporaryFolders();

/** A file with this header (text, or a value to be written as JSON) and so many bytes after it. */
function encode(header: unknown, dataBytes = 0, lengthField?: bigint): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = new Uint8Array(8 + json.length + dataBytes);
  new DataView(bytes.buffer).setBigUint64(0, lengthField ?? BigInt(json.length), true);
  bytes.set(json, 8);
  return bytes;
}

async function openBytes(bytes: Uint8Array): Promise<SafetensorsFile> {
  const file = join(await newFolder(), 'x.safetensors');
  await writeFile(file, bytes);
  const opened = await SafetensorsFile.open(file);
  await opened.close();
  return opened;
}

const f32 = (begin: number, end: number, shape = [(end - begin) / 4]) => ({
  dtype: 'F32',
  shape,
  data_offsets: [begin, end],
});

describe('SafetensorsFile', () => {
  it('reads the same from bytes that it has preloaded, wherever in them a tensor begins', async () => {
    const file = join(await newFolder(), 'model.safetensors');
    const odd = { dtype: 'F16', shape: [3], data_offsets: [0, 6] };
    const bytes = encode({ odd, shifted: f32(6, 22), last: f32(22, 26) }, 26);
    bytes.set(new Uint8Array(Uint16Array.of(0x3c00, 0x4000, 0x4200).buffer), bytes.length - 26);
    bytes.set(new Uint8Array(Float32Array.of(4, 5, 6, 7, 8).buffer), bytes.length - 20);
    await writeFile(file, bytes);
    for (const maxBytes of [0, 25, 26]) {
      const opened = await SafetensorsFile.open(file);
      await opened.preload(maxBytes);
      expect(await opened.readFloat32('odd')).toEqual(Float32Array.of(1, 2, 3));
      expect(await opened.readFloat32('shifted')).toEqual(Float32Array.of(4, 5, 6, 7));
      expect(await opened.readFloat32('shifted', 1, 2)).toEqual(Float32Array.of(5, 6));
      expect(await opened.readFloat32('last')).toEqual(Float32Array.of(8));
      await opened.close();
      // Only what is in memory can be read after the file is closed.
      if (maxBytes < 26) await expect(opened.readFloat32('odd')).rejects.toThrow();
      else expect(await opened.readFloat32('odd')).toEqual(Float32Array.of(1, 2, 3));
    }
  });

  const tensor = fc
    .record({ shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }), dtype: fc.constantFrom('F32', 'F16') })
    .chain(({ shape, dtype }) => {
      const elements = shape.reduce((product, size) => product * size, 1);
      // Whole numbers up to 2048 are exact in F16.
      const value = fc.integer({ min: -2048, max: 2048 });
      return fc
        .array(value, { minLength: elements, maxLength: elements })
        .map((values) => ({ shape, dtype, data: Float32Array.from(values) }));
    });

  it('reads back what is written', async () => {
    const file = join(await newFolder(), 'model.safetensors');
    const named = fc.uniqueArray(fc.tuple(fc.string({ unit: 'binary', maxLength: 8 }), tensor), {
      selector: ([name]) => name,
      maxLength: 5,
    });
    await fc.assert(
      fc.asyncProperty(named, async (tensors) => {
        fc.pre(tensors.every(([name]) => name !== '__metadata__'));
        await writeSafetensors(
          file,
          tensors.map(([name, rest]) => ({ name, ...rest })),
          { format: 'pt' },
        );
        const opened = await SafetensorsFile.open(file);
        try {
          expect(opened.metadata).toEqual({ format: 'pt' });
          expect(opened.tensors.size).toBe(tensors.length);
          for (const [name, { dtype, shape, data }] of tensors) {
            expect(opened.tensors.get(name)).toMatchObject({ name, dtype, shape });
            expect(await opened.readFloat32(name)).toEqual(data);
            expect(opened.tensors.get(name)!.begin % (dtype === 'F32' ? 4 : 2)).toBe(0);
          }
        } finally {
          await opened.close();
        }
      }),
      { numRuns: 30 },
    );
  });

  it('reads a range, also across the pieces that it reads in', async () => {
    const file = join(await newFolder(), 'model.safetensors');
    const length = 2 * 1024 * 1024 + 3;
    const data = Float32Array.from({ length }, (_, i) => (i % 2048) - 1024);
    await writeSafetensors(file, [{ name: 'x', dtype: 'F16', shape: [length], data }]);
    const opened = await SafetensorsFile.open(file);
    try {
      expect(Buffer.compare(Buffer.from((await opened.readFloat32('x')).buffer), Buffer.from(data.buffer))).toBe(0);
      expect(await opened.readFloat32('x', length - 5)).toEqual(data.slice(-5));
      expect(await opened.readFloat32('x', 7, 2)).toEqual(data.slice(7, 9));
      await expect(opened.readFloat32('x', length - 1, 2)).rejects.toThrow(RangeError);
      await expect(opened.readFloat32('y')).rejects.toThrow('has no tensor "y"');
    } finally {
      await opened.close();
    }
  });

  it('reads BF16, and refuses what is no weight', async () => {
    const header = {
      half: { dtype: 'BF16', shape: [2], data_offsets: [0, 4] },
      ids: { dtype: 'I64', shape: [1], data_offsets: [4, 12] },
    };
    const bytes = encode(header, 12);
    bytes.set([0x80, 0x3f, 0x49, 0xc0], bytes.length - 12);
    const file = join(await newFolder(), 'x.safetensors');
    await writeFile(file, bytes);
    const opened = await SafetensorsFile.open(file);
    try {
      expect(await opened.readFloat32('half')).toEqual(Float32Array.of(1, -3.140625));
      await expect(opened.readFloat32('ids')).rejects.toThrow(
        'stores "ids" as I64; weights are read as F32, F16, BF16',
      );
    } finally {
      await opened.close();
    }
  });

  it('takes scalars, empty tensors, empty files, padding, and names of every kind', async () => {
    const header = {
      __metadata__: { format: 'pt' },
      scalar: f32(0, 4, []),
      empty: f32(4, 4, [0, 3]),
      ['__proto__']: f32(4, 8),
      '': f32(8, 12),
    };
    const padded = `{"__metadata__":{"format":"pt"},"scalar":${JSON.stringify(header.scalar)}}   `;
    expect((await openBytes(encode(padded, 4))).tensors.get('scalar')?.shape).toEqual([]);
    const opened = await openBytes(encode(header, 12));
    expect([...opened.tensors.keys()]).toEqual(expect.arrayContaining(['scalar', 'empty', '__proto__', '']));
    expect((await openBytes(encode({}))).tensors.size).toBe(0);
  });

  it.each<[string, Uint8Array, string]>([
    ['an empty file', new Uint8Array(0), 'too short'],
    ['seven bytes', new Uint8Array(7), 'too short'],
    ['a header past the cap', encode({}, 0, BigInt(MAX_HEADER_BYTES) + 1n), `at most ${MAX_HEADER_BYTES}`],
    ['a header of 2⁶⁴ − 1 bytes', encode({}, 0, 2n ** 64n - 1n), '18446744073709551615 bytes'],
    ['a header longer than the file', encode({}, 0, 3n), 'truncated'],
    ['no header', encode('', 0), 'not valid JSON'],
    ['bytes that are no text', Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe), 'not UTF-8'],
    ['a list', encode('[]'), 'not a JSON object'],
    ['1 MB of nesting', encode('{"a":'.repeat(200_000)), 'nested deeper'],
    ['a name twice', encode('{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"a":1}', 4), 'the name "a" twice'],
    ['a tensor that is a number', encode({ a: 1 }), 'not described by an object'],
    ['an unknown field', encode({ a: { ...f32(0, 4), stride: 1 } }, 4), 'unknown field "stride"'],
    ['an unknown dtype', encode({ a: { ...f32(0, 4), dtype: 'F31' } }, 4), 'unknown dtype "F31"'],
    ['a dtype from the prototype', encode({ a: { ...f32(0, 4), dtype: 'toString' } }, 4), 'unknown dtype "toString"'],
    ['a negative size', encode({ a: f32(0, 4, [-1]) }, 4), 'not a list of whole numbers'],
    ['a size with a fraction', encode({ a: f32(0, 4, [0.5]) }, 4), 'not a list of whole numbers'],
    ['one offset', encode({ a: { ...f32(0, 4), data_offsets: [0] } }, 4), 'not two whole numbers'],
    ['an end before the begin', encode({ a: { ...f32(0, 0), data_offsets: [4, 0] } }, 4), 'before it begins'],
    ['a product that overflows', encode({ a: f32(0, 4, [2 ** 40, 2 ** 40]) }, 4), 'too large'],
    ['a product that wraps to the right size', encode({ a: f32(0, 4, [2 ** 32, 2 ** 32, 1]) }, 4), 'too large'],
    ['fewer bytes than the shape', encode({ a: f32(0, 4, [2]) }, 4), '8 bytes, but has 4'],
    ['an overlap', encode({ a: f32(0, 8), b: f32(4, 12) }, 12), '"b" overlaps'],
    ['a hole', encode({ a: f32(0, 4), b: f32(8, 12) }, 12), 'leaves 4 bytes unused before it'],
    ['a hole in front', encode({ a: f32(4, 8) }, 8), 'leaves 4 bytes unused before it'],
    ['bytes at the end', encode({ a: f32(0, 4) }, 5), 'belong to no tensor'],
    ['bytes and no tensors', encode({}, 1), 'belong to no tensor'],
    ['missing bytes at the end', encode({ a: f32(0, 4) }, 3), 'truncated'],
    ['metadata that is no text', encode({ __metadata__: { a: 1 } }), '"a" is not a string'],
    ['metadata that is a list', encode({ __metadata__: [] }), 'not an object'],
  ])('refuses %s', async (_, bytes, message) => {
    const opening = openBytes(bytes);
    await expect(opening).rejects.toBeInstanceOf(InvalidFileError);
    await expect(opening).rejects.toThrow(message);
    await expect(opening).rejects.toThrow('x.safetensors');
  });

  it('refuses a file that is cut anywhere', async () => {
    const file = join(await newFolder(), 'model.safetensors');
    const data = Float32Array.of(1, 2, 3);
    await writeSafetensors(file, [{ name: 'x', dtype: 'F32', shape: [3], data }]);
    for (let length = (await readFile(file)).length - 1; length >= 0; length -= 7) {
      await truncate(file, length);
      await expect(SafetensorsFile.open(file)).rejects.toBeInstanceOf(InvalidFileError);
    }
  });

  it('says that a file is missing, or a folder', async () => {
    const folder = await newFolder();
    await expect(SafetensorsFile.open(join(folder, 'a.safetensors'))).rejects.toThrow('a.safetensors is missing.');
    await expect(SafetensorsFile.open(folder, 'weights')).rejects.toThrow('weights is not a file.');
  });
});

describe('any bytes', () => {
  /** Reads, or refuses with one of our errors. */
  function readOrRefuse(json: Uint8Array, fileBytes: number): void {
    try {
      const { tensors } = parseHeader(json, fileBytes, 'it');
      let at = 8 + json.length;
      for (const { begin, end } of tensors.values()) {
        expect(begin).toBe(at);
        at = end;
      }
      expect(at).toBe(fileBytes);
    } catch (error) {
      expect(error).toBeInstanceOf(EspalierError);
    }
  }

  it('random ones are read or refused', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 64 }), async (bytes) => {
        readOrRefuse(bytes, 8 + bytes.length);
        await expect(openBytes(bytes)).rejects.toBeInstanceOf(EspalierError);
      }),
      { numRuns: 50 },
    );
  });

  it('headers that are nearly right are read or refused', () => {
    const offset = fc.oneof(fc.nat(16), fc.constantFrom(-1, 0.5, 2 ** 53, 1e300, '4', null));
    const entry = fc.record(
      {
        dtype: fc.constantFrom('F32', 'F16', 'F4', 'BOOL', 'F33', 3, null),
        shape: fc.oneof(fc.array(offset, { maxLength: 3 }), fc.constant('2')),
        data_offsets: fc.array(offset, { maxLength: 3 }),
        extra: fc.constant(1),
      },
      { requiredKeys: [] },
    );
    const name = fc.constantFrom('a', 'b', '__metadata__', '__proto__', 'constructor');
    fc.assert(
      fc.property(fc.dictionary(name, fc.oneof(entry, fc.jsonValue({ maxDepth: 2 }))), fc.nat(24), (header, data) => {
        const json = new TextEncoder().encode(JSON.stringify(header));
        readOrRefuse(json, 8 + json.length + data);
      }),
      { numRuns: 1000 },
    );
  });

  it('a valid file with one byte changed is read or refused', async () => {
    const file = join(await newFolder(), 'model.safetensors');
    await writeSafetensors(file, [
      { name: 'a', dtype: 'F32', shape: [2, 2], data: new Float32Array(4) },
      { name: 'b', dtype: 'F16', shape: [3], data: new Float32Array(3) },
    ]);
    const bytes = new Uint8Array(await readFile(file));
    const headerBytes = Number(new DataView(bytes.buffer).getBigUint64(0, true));
    fc.assert(
      fc.property(fc.nat(headerBytes - 1), fc.nat(255), (at, value) => {
        const json = bytes.slice(8, 8 + headerBytes);
        json[at] = value;
        readOrRefuse(json, bytes.length);
      }),
      { numRuns: 500 },
    );
  });
});
