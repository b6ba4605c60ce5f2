/** IEEE 754 half precision (F16) and bfloat16 (BF16) as 16-bit patterns, and their exact way to float32. */

let halves: Float32Array | undefined;

/** Every F16 pattern's value: 256 KiB, made on first use. */
function halfTable(): Float32Array {
  if (halves === undefined) {
    halves = new Float32Array(65536);
    for (let bits = 0; bits < 65536; bits++) {
      const sign = bits & 0x8000 ? -1 : 1;
      const exponent = (bits >> 10) & 31;
      const fraction = bits & 1023;
      if (exponent === 0) halves[bits] = sign * fraction * 2 ** -24;
      else if (exponent === 31) halves[bits] = fraction === 0 ? sign * Infinity : NaN;
      else halves[bits] = sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
    }
  }
  return halves;
}

export function decodeF16(patterns: Uint16Array, into: Float32Array): void {
  const table = halfTable();
  // Inside: the table has every 16-bit pattern.
  for (let i = 0; i < patterns.length; i++) into[i] = table[patterns[i] as number] as number;
}

/** A BF16 is the upper half of a float32. */
export function decodeBF16(patterns: Uint16Array, into: Float32Array): void {
  const bits = new Uint32Array(into.buffer, into.byteOffset, into.length);
  for (let i = 0; i < patterns.length; i++) bits[i] = (patterns[i] as number) << 16;
}

/** Rounds to the nearest, ties to even; what is too large becomes infinite. */
export function encodeF16(values: Float32Array): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const patterns = new Uint16Array(values.length);
  // Both are as long.
  for (let i = 0; i < bits.length; i++) patterns[i] = halfPattern(bits[i] as number, values[i] as number);
  return patterns;
}

let halvesOfBF16: Uint16Array | undefined;

/** The same of BF16 patterns, which are few enough for a table: 128 KiB, made on first use. */
export function encodeBF16AsF16(patterns: Uint16Array): Uint16Array {
  if (halvesOfBF16 === undefined) {
    const all = new Float32Array(65536);
    decodeBF16(
      Uint16Array.from(all, (_, i) => i),
      all,
    );
    halvesOfBF16 = encodeF16(all);
  }
  const halves = new Uint16Array(patterns.length);
  // Inside: the table has every 16-bit pattern.
  for (let i = 0; i < halves.length; i++) halves[i] = halvesOfBF16[patterns[i] as number] as number;
  return halves;
}

/** Whether none of the F16 patterns is infinite or not a number. */
export function isFiniteF16(patterns: Uint16Array): boolean {
  for (const pattern of patterns) if ((pattern & 0x7c00) === 0x7c00) return false;
  return true;
}

/** bits: those of value, a float32. */
function halfPattern(bits: number, value: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // Subnormal or zero: the value in steps of 2^-24, rounded as JavaScript doesn't: ties to even.
  if (magnitude < 0x38800000) return sign | roundToEven(Math.abs(value) * 2 ** 24);
  // The exponent is rebiased; a carry out of the rounded fraction moves into it, and past the top gives infinity.
  const rounded = (magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13;
  return sign | Math.min(rounded, 0x7c00);
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}
