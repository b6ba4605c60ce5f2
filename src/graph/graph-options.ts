/** Which form of a decoder's graph is built: a lane is a session over one of them. */
export interface GraphOptions {
  /** 'ports': LoRA ports on every linear (the factored lane). 'none': the weights alone, as a merged lane runs them. */
  lora?: 'ports' | 'none';
}
