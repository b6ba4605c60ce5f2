/** Fills a migrated registry that holds one model with as many nodes and revisions as asked for, by SQL. */
import pg from 'pg';

export interface Filled {
  nodes: number;
  /** Paths. */
  middle: string;
  last: string;
  leaf: string;
  /** In the description of one node, and of every node. */
  rareWord: string;
  commonWord: string;
  /** Of one node in a thousand. */
  tag: string;
}

const FIRST = 1_000;
const SECOND = 9;

/** Names and parents of node n: the first level, then the second, then the leaves, in turn under those of the second. */
const NODES = `
  INSERT INTO "Node" ("id", "modelId", "parentId", "name", "description", "tags", "updatedAt")
  SELECT
    'N' || lpad(n::text, 25, '0'),
    $1,
    CASE
      WHEN n < ${FIRST} THEN $2
      WHEN n < ${FIRST * (1 + SECOND)} THEN 'N' || lpad(((n - ${FIRST}) % ${FIRST})::text, 25, '0')
      ELSE 'N' || lpad((${FIRST} + (n - ${FIRST * (1 + SECOND)}) % ${FIRST * SECOND})::text, 25, '0')
    END,
    'node-' || n,
    CASE WHEN n = 777 THEN 'common quincunx' ELSE 'common words about adapter ' || n END,
    CASE WHEN n % 1000 = 0 THEN ARRAY['thousandth'] ELSE ARRAY[]::text[] END,
    now()
  FROM generate_series($3::int, $4::int) AS n`;

const REVISIONS = `
  INSERT INTO "Revision" ("id", "nodeId", "number", "digest", "trainedOnId", "rank", "bytes", "configBlob", "weightsBlob", "targets", "message", "warnings")
  SELECT
    'R' || substr("id", 2), "id", 1, encode(sha256("id"::bytea), 'hex'),
    CASE WHEN "parentId" = $1 THEN NULL ELSE 'R' || substr("parentId", 2) END,
    8, 1000000, encode(sha256(('c' || "id")::bytea), 'hex'), encode(sha256(('w' || "id")::bytea), 'hex'),
    '{}', 'trained on text ' || substr("id", 2)::int % 5000, ARRAY[]::text[]
  FROM "Node" WHERE "id" >= 'N' || lpad($2::text, 25, '0') AND "id" <= 'N' || lpad($3::text, 25, '0') AND "id" LIKE 'N0%'
  ORDER BY "id"`;

/** What the triggers would write, which take much longer a row. */
const SEARCH_DOCUMENTS = `
  INSERT INTO "SearchDocument" ("nodeId", "words", "revisionWords", "tags")
  SELECT
    "id",
    array_to_tsvector(string_to_array(replace("name", '-', ' ') || ' ' || "description", ' ')),
    array_to_tsvector(ARRAY['trained', 'on', 'text', (substr("id", 2)::int % 5000)::text]),
    "tags"
  FROM "Node" WHERE "id" LIKE 'N0%'`;

export async function fillRegistry(url: string, nodes: number): Promise<Filled> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ id: string; modelId: string; name: string }>(
      'SELECT "id", "modelId", "name" FROM "Node" WHERE "parentId" IS NULL',
    );
    const [root] = rows;
    if (!root) throw new Error('The registry holds no model.');
    const { id, modelId, name } = root;
    await client.query('ALTER TABLE "Node" DISABLE TRIGGER USER');
    await client.query('ALTER TABLE "Revision" DISABLE TRIGGER USER');
    // Parents come before their children, so that foreign keys hold at each step.
    for (const [from, to] of slices(nodes)) {
      await client.query(NODES, [modelId, id, from, to]);
      await client.query(REVISIONS, [id, from, to]);
    }
    await client.query(`UPDATE "Node" SET "headId" = 'R' || substr("id", 2) WHERE "id" LIKE 'N0%'`);
    await client.query(`INSERT INTO "RevisionMetric" ("revisionId", "name", "value")
      SELECT "id", 'loss', (substr("id", 2)::int % 100000) / 100000.0 FROM "Revision"`);
    await client.query(SEARCH_DOCUMENTS);
    await client.query('ALTER TABLE "Node" ENABLE TRIGGER USER');
    await client.query('ALTER TABLE "Revision" ENABLE TRIGGER USER');
    await client.query('VACUUM ANALYZE');
    return filled(name, nodes);
  } finally {
    await client.end();
  }
}

/** What a database was filled with before; null where that was another number of nodes, or never came to its end. */
export async function filledRegistry(url: string, nodes: number): Promise<Filled | null> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    const { rows } = await client.query<{ name: string; documents: string }>(
      `SELECT "name", (SELECT count(*) FROM "SearchDocument" WHERE "nodeId" LIKE 'N0%') AS "documents"
       FROM "Node" WHERE "parentId" IS NULL`,
    );
    const [root] = rows;
    return root && Number(root.documents) === nodes ? filled(root.name, nodes) : null;
  } finally {
    await client.end();
  }
}

/** `name`: the model's. */
function filled(name: string, nodes: number): Filled {
  const path = (n: number): string => {
    if (n < FIRST) return `${name}/node-${n}`;
    const parent =
      n < FIRST * (1 + SECOND) ? (n - FIRST) % FIRST : FIRST + ((n - FIRST * (1 + SECOND)) % (FIRST * SECOND));
    return `${path(parent)}/node-${n}`;
  };
  return {
    nodes,
    middle: path(FIRST + 500),
    last: path(999),
    leaf: path(nodes - 1),
    rareWord: 'quincunx',
    commonWord: 'common',
    tag: 'thousandth',
  };
}

/** First and last number of each step: the levels apart, the leaves in pieces. */
function* slices(nodes: number): Generator<[number, number]> {
  yield [0, FIRST - 1];
  yield [FIRST, FIRST * (1 + SECOND) - 1];
  for (let from = FIRST * (1 + SECOND); from < nodes; from += 100_000)
    yield [from, Math.min(from + 100_000, nodes) - 1];
}
