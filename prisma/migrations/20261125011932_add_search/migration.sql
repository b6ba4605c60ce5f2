-- DropIndex
DROP INDEX "RevisionMetric_name_value_idx";

-- AlterTable
ALTER TABLE "Revision" ADD COLUMN     "hasCard" BOOLEAN NOT NULL DEFAULT false,
ADD COLUMN     "source" JSONB;

-- CreateTable
CREATE TABLE "SearchDocument" (
    "nodeId" TEXT NOT NULL,
    "words" tsvector NOT NULL DEFAULT ''::tsvector,
    "revisionWords" tsvector NOT NULL DEFAULT ''::tsvector,
    "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],

    CONSTRAINT "SearchDocument_pkey" PRIMARY KEY ("nodeId")
);

-- CreateIndex
CREATE INDEX "SearchDocument_words_idx" ON "SearchDocument" USING GIN ("words");

-- CreateIndex
CREATE INDEX "SearchDocument_revisionWords_idx" ON "SearchDocument" USING GIN ("revisionWords");

-- CreateIndex
CREATE INDEX "SearchDocument_tags_idx" ON "SearchDocument" USING GIN ("tags");

-- CreateIndex
CREATE INDEX "RevisionMetric_name_value_revisionId_idx" ON "RevisionMetric"("name", "value", "revisionId");

-- AddForeignKey
ALTER TABLE "SearchDocument" ADD CONSTRAINT "SearchDocument_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- The words of a text as they are searched for: lower case, no accents, nothing but letters and digits; the first 100,000
-- characters count. All that isn't ASCII and no punctuation is taken for a letter, so that the database's locale has no say.
CREATE FUNCTION search_words(text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT (coalesce(array_agg(DISTINCT left(word, 64)), '{}'))[1:20000]
  FROM regexp_split_to_table(
    lower(regexp_replace(normalize(left($1, 100000), NFKD), '[\u0300-\u036f]', '', 'g')),
    '[\u0001-\u002f\u003a-\u0040\u005b-\u0060\u007b-\u00bf\u2000-\u206f\u3000-\u303f]+'
  ) AS word
  WHERE word <> ''
$$;

-- What each of the words begins is found.
CREATE FUNCTION search_query(text) RETURNS tsquery LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT coalesce(string_agg(quote_literal(word) || ':*', ' & '), '')::tsquery FROM unnest(search_words($1)) AS word
$$;

CREATE FUNCTION search_tags(node_id text, own text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
  SELECT coalesce(array_agg(DISTINCT tag), '{}')
  FROM (
    SELECT unnest(own) AS tag
    UNION ALL
    SELECT unnest("tags") FROM "Revision" WHERE "nodeId" = node_id AND "tags" <> '{}'
  ) AS found
$$;

-- The words of revisions gather, for revisions never change. Past a measure they begin anew with the newest one.
CREATE FUNCTION gather_search_words(before tsvector, more tsvector) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF length(before) + length(more) > 20000 THEN
    RETURN more;
  END IF;
  RETURN before || more;
EXCEPTION WHEN program_limit_exceeded THEN
  RETURN more;
END
$$;

CREATE FUNCTION index_node() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO "SearchDocument" ("nodeId", "words", "tags")
  VALUES (
    NEW."id",
    array_to_tsvector(search_words(NEW."name" || ' ' || NEW."description")),
    CASE TG_OP WHEN 'INSERT' THEN NEW."tags" ELSE search_tags(NEW."id", NEW."tags") END
  )
  ON CONFLICT ("nodeId") DO UPDATE SET "words" = EXCLUDED."words", "tags" = EXCLUDED."tags";
  RETURN NULL;
END
$$;

CREATE TRIGGER "Node_search" AFTER INSERT OR UPDATE OF "name", "description", "tags" ON "Node"
  FOR EACH ROW EXECUTE FUNCTION index_node();

CREATE FUNCTION index_revision() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "SearchDocument" SET "revisionWords" = gather_search_words(
    "revisionWords",
    array_to_tsvector(search_words(coalesce(NEW."message", '') || ' ' || coalesce(NEW."card", '')))
  )
  WHERE "nodeId" = NEW."nodeId";
  RETURN NULL;
END
$$;

CREATE TRIGGER "Revision_search_words" AFTER INSERT ON "Revision"
  FOR EACH ROW WHEN (NEW."message" IS NOT NULL OR NEW."card" IS NOT NULL) EXECUTE FUNCTION index_revision();

CREATE FUNCTION index_revision_tags() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  UPDATE "SearchDocument" SET "tags" = search_tags(NEW."nodeId", "Node"."tags")
  FROM "Node" WHERE "Node"."id" = NEW."nodeId" AND "SearchDocument"."nodeId" = NEW."nodeId";
  RETURN NULL;
END
$$;

CREATE TRIGGER "Revision_search_new_tags" AFTER INSERT ON "Revision"
  FOR EACH ROW WHEN (NEW."tags" <> '{}') EXECUTE FUNCTION index_revision_tags();

CREATE TRIGGER "Revision_search_tags" AFTER UPDATE OF "tags" ON "Revision"
  FOR EACH ROW WHEN (NEW."tags" IS DISTINCT FROM OLD."tags") EXECUTE FUNCTION index_revision_tags();

-- What is there already.
INSERT INTO "SearchDocument" ("nodeId", "words", "tags")
SELECT "id", array_to_tsvector(search_words("name" || ' ' || "description")), "tags" FROM "Node";

UPDATE "SearchDocument" SET "revisionWords" = found."words"
FROM (
  SELECT "nodeId", array_to_tsvector(search_words(string_agg("message", ' ' ORDER BY "number" DESC))) AS "words"
  FROM "Revision" WHERE "message" IS NOT NULL GROUP BY "nodeId"
) AS found
WHERE "SearchDocument"."nodeId" = found."nodeId";
