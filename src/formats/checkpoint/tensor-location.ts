/** Where the bytes of one tensor of a checkpoint lie. The graph points there; nothing is copied. */
export interface TensorLocation {
  /** File name inside the model's folder. */
  file: string;
  /** U8: a part of a quantised weight. */
  dtype: 'F32' | 'F16' | 'BF16' | 'U8';
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  begin: number;
  /** One past the last byte. */
  end: number;
  /** Where the same file has it as the runtime's operators want it, in the runtime's words: entries of external data. */
  packed?: readonly (readonly [key: string, value: string])[];
}
