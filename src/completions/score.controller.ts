import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { RequireScope } from '../access/scope.js';
import { scoreRequest, type ScoreRequest } from './dto/score-request.js';
import { ScoreService } from './score.service.js';

@Controller('v1/score')
@RequireScope('infer')
export class ScoreController {
  readonly #scores: ScoreService;

  constructor(scores: ScoreService) {
    this.#scores = scores;
  }

  @Post()
  @HttpCode(200)
  score(@Body({ schema: scoreRequest }) body: ScoreRequest, @Res() reply: FastifyReply): Promise<void> {
    return this.#scores.score(body, reply);
  }
}
