/**
 * `infer` generates and scores; `read` and `write` are for the registry; `promote` decides what is served (heads,
 * protected aliases, recalls); `metrics` reads /metrics; `admin` may do all. `write` and `promote` include `read`.
 * Free of Nest, because the command line reads it too.
 */
export const ALL_SCOPES = ['infer', 'read', 'write', 'promote', 'metrics', 'admin'] as const;
export type Scope = (typeof ALL_SCOPES)[number];
