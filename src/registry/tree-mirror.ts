/**
 * The registry's rows in memory. Filled once at boot; after that whoever commits a change sets it here before the next
 * write begins, so that the tree sees changes in the order of their commits.
 */
import { Injectable } from '@nestjs/common';
import { AdapterTree } from '../tree/adapter-tree.js';
import type { RegistryChange } from './changed-rows.js';
import type { RegisteredModel } from './registered-model.js';

@Injectable()
export class TreeMirror {
  #tree = new AdapterTree();
  readonly #models = new Map<string, RegisteredModel>();

  get tree(): AdapterTree {
    return this.#tree;
  }

  replace(tree: AdapterTree, models: Iterable<RegisteredModel>): void {
    this.#tree = tree;
    this.#models.clear();
    for (const model of models) this.#models.set(model.id, model);
  }

  apply(change: RegistryChange): void {
    for (const model of change.models ?? []) this.#models.set(model.id, model);
    this.#tree.apply(change);
  }

  model(id: string): RegisteredModel | undefined {
    return this.#models.get(id);
  }

  /** By name. */
  models(): RegisteredModel[] {
    return [...this.#models.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }
}
