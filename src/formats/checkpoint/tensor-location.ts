/** Where the bytes of one tensor of a checkpoint lie. The graph points there; nothing is copied. */
export interface TensorLocation {
  /** File name inside the model's folder. */
  file: string;
  dtype: 'F32' | 'F16' | 'BF16';
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  begin: number;
  /** One past the last byte. */
  end: number;
}
