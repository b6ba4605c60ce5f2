import { Module, type OnModuleDestroy } from '@nestjs/common';
import { CONFIG, type Config } from '../config.js';
import { ObservabilityModule } from '../observability/observability.module.js';
import { RegistryModule } from '../registry/registry.module.js';
import { TokenizerPool } from '../tokenization/tokenizer-pool.js';
import { CompletionsController } from './completions.controller.js';
import { CompletionsService } from './completions.service.js';
import { LoraController } from './lora/lora.controller.js';
import { LoraService } from './lora/lora.service.js';
import { WarmUp } from './lora/warm-up.js';
import { ServedModelsController } from './models.controller.js';
import { RunningNodes } from './running-nodes.js';
import { ScoreController } from './score.controller.js';
import { ScoreService } from './score.service.js';
import { ServedModels } from './served-models.js';

@Module({
  imports: [RegistryModule, ObservabilityModule],
  controllers: [CompletionsController, ServedModelsController, ScoreController, LoraController],
  providers: [
    {
      provide: TokenizerPool,
      useFactory: ({ tokenizer }: Config) =>
        new TokenizerPool({
          workers: tokenizer.workers,
          timeoutMs: tokenizer.timeoutMs,
          maxBytes: tokenizer.maxPromptBytes,
        }),
      inject: [CONFIG],
    },
    ServedModels,
    CompletionsService,
    ScoreService,
    RunningNodes,
    LoraService,
    WarmUp,
  ],
})
export class CompletionsModule implements OnModuleDestroy {
  readonly #tokenizers: TokenizerPool;

  constructor(tokenizers: TokenizerPool) {
    this.#tokenizers = tokenizers;
  }

  async onModuleDestroy(): Promise<void> {
    await this.#tokenizers.close();
  }
}
