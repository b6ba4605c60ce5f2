/** Who may call a route. A route that says nothing needs `admin`. */
import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';
import { SubtreeKeyError } from '../errors/access.js';
import type { Scope } from './scopes.js';

export type { Scope } from './scopes.js';

/** Who sent a request. */
export interface Caller {
  /** Null: the service itself. */
  keyId: string | null;
  keyName: string;
  scopes: readonly string[];
  /** Id of the node at and below which the key is good; null: everywhere. */
  subtree: string | null;
  /** Null: none. */
  limits: { requestsPerMinute: number | null; tokensPerMinute: number | null };
}

declare module 'fastify' {
  interface FastifyRequest {
    /** Undefined on public routes alone. */
    caller?: Caller;
  }
  interface FastifyContextConfig {
    public?: boolean;
  }
}

export const SCOPES = 'espalier:scopes';

/** On a controller or a method: one of these scopes is needed. */
export function RequireScope(...scopes: [Scope, ...Scope[]]): CustomDecorator {
  return SetMetadata(SCOPES, scopes);
}

/** On a method: no key is needed. */
export function Public(): MethodDecorator {
  return RouteConfig({ public: true });
}

export function mayUse(caller: Caller, needed: readonly Scope[]): boolean {
  return needed.some((scope) => grants(caller.scopes, scope));
}

/** Refuses a key that is bound to a subtree where what it asks for concerns the registry as a whole. */
export function requireWholeRegistry({ caller }: { caller: Caller }): void {
  if (caller.subtree !== null) throw new SubtreeKeyError();
}

function grants(held: readonly string[], scope: Scope): boolean {
  if (held.includes(scope) || held.includes('admin')) return true;
  return scope === 'read' && (held.includes('write') || held.includes('promote'));
}
