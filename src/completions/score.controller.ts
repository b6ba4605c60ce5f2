import { Body, Controller, HttpCode, Post, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { Context, type RequestContext } from '../access/request-context.js';
import { RequireScope } from '../access/scope.js';
import { Answers } from '../http/answers.js';
import { scoreRequest, scoreSchema, type ScoreRequest } from './dto/score-request.js';
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
  @Answers(
    'Says how likely a text is under paths.',
    { 200: scoreSchema },
    { headers: ['x-espalier-path', 'x-espalier-path-digest'] },
  )
  score(
    @Context() context: RequestContext,
    @Body({ schema: scoreRequest }) body: ScoreRequest,
    @Res() reply: FastifyReply,
  ): Promise<void> {
    return this.#scores.score(context, body, reply);
  }
}
