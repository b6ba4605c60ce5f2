/** How large a GraphQL document may be. Each limit stands for work that a few bytes of query could ask for. */
export interface GraphqlLimits {
  /** Fields within fields. */
  depth: number;
  /** Objects that the answer may hold at most, as the page sizes let them be counted beforehand. */
  cost: number;
  /** Renamed fields: without them no field can be asked for twice. */
  aliases: number;
  directives: number;
  tokens: number;
}

export type LimitName = keyof GraphqlLimits;
