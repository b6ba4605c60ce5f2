/** Which linear layers an adapter changes, with which rank and scale: PEFT's rules for names and patterns. */
import type { LinearModule } from '../checkpoint/modules.js';
import type { AdapterConfig } from './adapter-config.js';
import { type Pattern, PatternCompiler } from './pattern.js';

export interface Target {
  module: LinearModule;
  rank: number;
  /** s: α/r, or α/√r with rsLoRA. */
  scale: number;
}

export function targetModules(config: AdapterConfig, modules: readonly LinearModule[]): Target[] {
  const patterns = new PatternCompiler();
  const isTarget = targetRule(config, patterns);
  const isExcluded = nameRule(config.excludeModules, 'exclude_modules', patterns);
  const rankOf = patternRule(config.rankPattern, 'rank_pattern', patterns);
  const alphaOf = patternRule(config.alphaPattern, 'alpha_pattern', patterns);
  return modules
    .filter(({ name }) => isTarget(name) && !isExcluded(name))
    .map((module) => {
      const rank = rankOf(module.name) ?? config.rank;
      const alpha = alphaOf(module.name) ?? config.alpha;
      return { module, rank, scale: alpha / (config.rsLora ? Math.sqrt(rank) : rank) };
    });
}

type Rule = (name: string) => boolean;

function targetRule(config: AdapterConfig, patterns: PatternCompiler): Rule {
  const { targetModules } = config;
  if (typeof targetModules === 'string') {
    if (targetModules.toLowerCase() === 'all-linear') return (name) => name !== 'lm_head';
    return nameRule(targetModules, 'target_modules', patterns);
  }
  const exact = new Set(targetModules);
  const isNamed = nameRule(targetModules, 'target_modules', patterns);
  const isInLayer = layerRule(config, patterns);
  // A module that is named in full is a target whatever its layer.
  return (name) => exact.has(name) || (isNamed(name) && isInLayer(name));
}

/** A list holds names, or suffixes of them by whole segments; a string is a pattern of the whole name. */
function nameRule(names: string | readonly string[], field: string, patterns: PatternCompiler): Rule {
  if (typeof names === 'string') {
    if (names === '') return () => false;
    return patterns.compile(names, field).matchesAll;
  }
  const known = new Set(names);
  return (name) => suffixes(name).some((suffix) => known.has(suffix));
}

/** `a.b.c` → a.b.c, b.c, c */
function suffixes(name: string): string[] {
  const segments = name.split('.');
  return segments.map((_, first) => segments.slice(first).join('.'));
}

function layerRule({ layers, layersPattern }: AdapterConfig, patterns: PatternCompiler): Rule {
  if (layers === null) return () => true;
  const wanted = new Set(layers);
  const prefixes = layersPattern.map((pattern) =>
    patterns.compile(String.raw`(?:^|.*?\.)${pattern}\.(\d+)\.`, 'layers_pattern', pattern),
  );
  return (name) => {
    // All numbers in the names of these architectures are layers.
    const layer = /\.(\d+)\./.exec(name)?.[1];
    if (layer === undefined || !wanted.has(Number(layer))) return false;
    return prefixes.length === 0 || prefixes.some((prefix) => prefix.matchesStart(name));
  };
}

/** The value of the first pattern that matches the end of a name, from a segment's start on. */
function patternRule(
  values: ReadonlyMap<string, number>,
  field: string,
  patterns: PatternCompiler,
): (name: string) => number | undefined {
  const rules: [Pattern, number][] = [...values].map(([key, value]) => [
    patterns.compile(String.raw`(.*\.)?(${key})$`, field, key),
    value,
  ]);
  return (name) => rules.find(([pattern]) => pattern.matchesStart(name))?.[1];
}
