import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TestService } from './support/service.js';

interface ErrorAnswer {
  error: { message: string; type: string; param: string | null; code: string; details?: Record<string, unknown> };
}

describe('the platform', () => {
  let service: TestService;
  beforeAll(async () => {
    service = await TestService.start();
  }, 130_000);
  afterAll(() => service.remove());

  it('answers', async () => {
    const { status } = await service.call<ErrorAnswer>('/nowhere');
    expect(status).toBe(404);
    expect((await stat(join(service.dataFolder, 'keys'))).mode & 0o777).toBe(0o700);
  });
});
