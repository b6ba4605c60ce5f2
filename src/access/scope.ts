/** Who may call a route. A route that says nothing needs `admin`. */
import { SetMetadata, type CustomDecorator } from '@nestjs/common';
import { RouteConfig } from '@nestjs/platform-fastify';

/** `infer` generates and scores, `read` and `write` are for the registry, `admin` may do all. */
export type Scope = 'infer' | 'read' | 'write' | 'admin';

/** Who sent a request. */
export interface Caller {
  keyId: string;
  keyName: string;
  scopes: readonly string[];
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

function grants(held: readonly string[], scope: Scope): boolean {
  return held.includes(scope) || held.includes('admin') || (scope === 'read' && held.includes('write'));
}
