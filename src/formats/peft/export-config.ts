/**
 * `adapter_config.json` of an adapter that is written here. Scale 1 for every module, which also those get right who
 * know no patterns: alpha is the rank, and what differs by module stands in both patterns under the module's whole name.
 *
 * PEFT reads such a key as an expression for the end of a name, `(.*\.)?(KEY)$`. A dot then matches any character, and
 * still no name matches the key of another: all names begin alike, and numbers of layers stand between two dots each.
 * (Versions that look patterns up by name want it unescaped.)
 */

export interface ExportedModule {
  /** PEFT module name. */
  name: string;
  rank: number;
}

export function exportConfig(modules: readonly ExportedModule[], baseModel: string): Record<string, unknown> {
  const rank = Math.max(...modules.map((module) => module.rank));
  const others = Object.fromEntries(
    modules.filter((module) => module.rank !== rank).map((module) => [module.name, module.rank]),
  );
  return {
    alpha_pattern: others,
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: rank,
    lora_dropout: 0,
    modules_to_save: null,
    peft_type: 'LORA',
    r: rank,
    rank_pattern: others,
    target_modules: modules.map(({ name }) => name),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  };
}
