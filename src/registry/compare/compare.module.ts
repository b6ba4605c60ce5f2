import { Module } from '@nestjs/common';
import { RegistryModule } from '../registry.module.js';
import { AdapterDistances } from './adapter-distances.js';
import { CompareController } from './compare.controller.js';
import { CompareService } from './compare.service.js';

@Module({
  imports: [RegistryModule],
  controllers: [CompareController],
  providers: [AdapterDistances, CompareService],
  exports: [CompareService],
})
export class CompareModule {}
