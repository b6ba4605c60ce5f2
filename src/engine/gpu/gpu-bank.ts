/** The bank in the GPU's memory: the same policy as on the CPU, over rows that stay on the device. */
import type { ModelConfig } from '../../formats/checkpoint/model-config.js';
import { type BankOptions, RankBank } from '../rank-bank.js';
import type { RankFeed } from '../rank-rows.js';
import type { GpuDevice } from './gpu-device.js';
import { GpuRankRows } from './gpu-rank-rows.js';
import type { GpuRankSource } from './gpu-runner.js';

export class GpuBank extends RankBank<GpuRankRows> implements GpuRankSource {
  constructor(config: ModelConfig, device: GpuDevice, options: BankOptions) {
    super(config, options, (projection, modules) => new GpuRankRows(device, projection, modules));
  }

  async ready(digests: ReadonlySet<string>): Promise<RankFeed[]> {
    this.assertBanked(digests);
    const feeds: RankFeed[] = [];
    for (const rows of this.rows) feeds.push(await rows.ready(digests));
    return feeds;
  }

  /** `dispose`, and what lies in the GPU's memory. */
  async free(): Promise<void> {
    this.dispose();
    for (const rows of this.rows) await rows.dispose();
  }
}
