import { Module } from '@nestjs/common';
import { RegistryModule } from '../registry/registry.module.js';
import { HealthController } from './health.controller.js';
import { MetricsController } from './metrics.controller.js';
import { MetricsListener } from './metrics-listener.js';
import { Metrics } from './metrics.js';
import { ReadinessCheck } from './readiness.js';
import { RequestTraces } from './request-traces.js';

@Module({
  imports: [RegistryModule],
  controllers: [HealthController, MetricsController],
  providers: [Metrics, MetricsListener, ReadinessCheck, RequestTraces],
  exports: [RequestTraces],
})
export class ObservabilityModule {}
