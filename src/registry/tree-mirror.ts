/**
 * The registry's rows in memory. Filled once at boot; after that whoever commits a change sets it here before the next
 * write begins, so that the tree sees changes in the order of their commits.
 */
import { Injectable } from '@nestjs/common';
import { AdapterTree } from '../tree/adapter-tree.js';
import type { RegistryChange } from './changed-rows.js';
import type { MergePin } from './merges/merge-pin.js';
import type { RegisteredModel } from './registered-model.js';

@Injectable()
export class TreeMirror {
  #tree = new AdapterTree();
  readonly #models = new Map<string, RegisteredModel>();
  readonly #mergePins = new Map<string, MergePin>();

  get tree(): AdapterTree {
    return this.#tree;
  }

  replace(tree: AdapterTree, models: Iterable<RegisteredModel>, mergePins: Iterable<MergePin>): void {
    this.#tree = tree;
    this.#models.clear();
    for (const model of models) this.#models.set(model.id, model);
    this.#mergePins.clear();
    for (const pin of mergePins) this.#mergePins.set(pin.id, pin);
  }

  apply(change: RegistryChange): void {
    for (const model of change.models ?? []) this.#models.set(model.id, model);
    for (const { id, pin } of change.mergePins ?? []) {
      if (pin === null) this.#mergePins.delete(id);
      else this.#mergePins.set(id, pin);
    }
    this.#tree.apply(change);
  }

  model(id: string): RegisteredModel | undefined {
    return this.#models.get(id);
  }

  /** By name. */
  models(): RegisteredModel[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** The oldest first. */
  mergePins(): MergePin[] {
    return [...this.#mergePins.values()].sort((a, b) => (a.id < b.id ? -1 : 1));
  }
}
