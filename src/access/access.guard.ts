import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { InvalidApiKeyError, MissingScopeError } from '../errors/access.js';
import { requestOf } from './request-context.js';
import { mayUse, SCOPES, type Scope } from './scope.js';

/** Lets a request through whose key has a scope that the route asks for. */
@Injectable()
export class AccessGuard implements CanActivate {
  readonly #reflector: Reflector;

  constructor(reflector: Reflector) {
    this.#reflector = reflector;
  }

  canActivate(context: ExecutionContext): boolean {
    const request = requestOf(context);
    if (request.routeOptions.config.public === true) return true;
    if (!request.caller) throw new InvalidApiKeyError(false);
    const declared = this.#reflector.getAllAndOverride<readonly Scope[] | undefined>(SCOPES, [
      context.getHandler(),
      context.getClass(),
    ]);
    const needed = declared ?? ['admin'];
    if (!mayUse(request.caller, needed)) throw new MissingScopeError(needed, request.caller.scopes);
    return true;
  }
}
