import { Module } from '@nestjs/common';
import { RegistryModule } from '../registry.module.js';
import { ExportController } from './export.controller.js';
import { ExportService } from './export.service.js';
import { ExportWriter } from './export-writer.js';
import { RevisionFilesController } from './revision-files.controller.js';
import { RevisionFilesService } from './revision-files.service.js';

@Module({
  imports: [RegistryModule],
  controllers: [ExportController, RevisionFilesController],
  providers: [ExportService, ExportWriter, RevisionFilesService],
})
export class ExchangeModule {}
