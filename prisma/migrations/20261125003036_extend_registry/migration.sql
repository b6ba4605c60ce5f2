-- AlterTable
ALTER TABLE "ApiKey" ADD COLUMN     "expiresAt" TIMESTAMP(3),
ADD COLUMN     "lastUsedAt" TIMESTAMP(3),
ADD COLUMN     "requestsPerMinute" INTEGER,
ADD COLUMN     "subtreeId" TEXT,
ADD COLUMN     "tokensPerMinute" INTEGER,
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "Node" ADD COLUMN     "archivedAt" TIMESTAMP(3),
ADD COLUMN     "deletedAt" TIMESTAMP(3),
ADD COLUMN     "description" TEXT NOT NULL DEFAULT '',
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1,
ALTER COLUMN "updatedAt" SET DEFAULT CURRENT_TIMESTAMP;

-- AlterTable
ALTER TABLE "Revision" ADD COLUMN     "author" TEXT,
ADD COLUMN     "card" TEXT,
ADD COLUMN     "fallbackId" TEXT,
ADD COLUMN     "purgedAt" TIMESTAMP(3),
ADD COLUMN     "recallReason" TEXT,
ADD COLUMN     "recalledAt" TIMESTAMP(3),
ADD COLUMN     "tags" TEXT[] DEFAULT ARRAY[]::TEXT[],
ADD COLUMN     "version" INTEGER NOT NULL DEFAULT 1;

-- AlterTable
ALTER TABLE "ServedPath" ADD COLUMN     "nodeId" TEXT;

-- CreateTable
CREATE TABLE "RevisionMetric" (
    "revisionId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "value" DOUBLE PRECISION NOT NULL,

    CONSTRAINT "RevisionMetric_pkey" PRIMARY KEY ("revisionId","name")
);

-- CreateTable
CREATE TABLE "Alias" (
    "id" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "revisionId" TEXT NOT NULL,
    "protected" BOOLEAN NOT NULL DEFAULT false,
    "version" INTEGER NOT NULL DEFAULT 1,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Alias_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Redirect" (
    "id" TEXT NOT NULL,
    "parentId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Redirect_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "AuditEntry" (
    "sequence" BIGINT NOT NULL,
    "at" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "keyId" TEXT,
    "keyName" TEXT NOT NULL,
    "requestId" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "nodeId" TEXT,
    "path" TEXT,
    "before" JSONB,
    "after" JSONB,
    "changes" JSONB NOT NULL,

    CONSTRAINT "AuditEntry_pkey" PRIMARY KEY ("sequence")
);

-- CreateIndex
CREATE INDEX "RevisionMetric_name_value_idx" ON "RevisionMetric"("name", "value");

-- CreateIndex
CREATE INDEX "Alias_revisionId_idx" ON "Alias"("revisionId");

-- CreateIndex
CREATE UNIQUE INDEX "Alias_nodeId_name_key" ON "Alias"("nodeId", "name");

-- CreateIndex
CREATE INDEX "Redirect_nodeId_idx" ON "Redirect"("nodeId");

-- CreateIndex
CREATE UNIQUE INDEX "Redirect_parentId_name_key" ON "Redirect"("parentId", "name");

-- CreateIndex
CREATE INDEX "AuditEntry_nodeId_sequence_idx" ON "AuditEntry"("nodeId", "sequence");

-- CreateIndex
CREATE INDEX "AuditEntry_action_sequence_idx" ON "AuditEntry"("action", "sequence");

-- CreateIndex
CREATE INDEX "AuditEntry_keyId_sequence_idx" ON "AuditEntry"("keyId", "sequence");

-- CreateIndex
CREATE INDEX "AuditEntry_at_sequence_idx" ON "AuditEntry"("at", "sequence");

-- CreateIndex
CREATE INDEX "Node_createdAt_id_idx" ON "Node"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Node_updatedAt_id_idx" ON "Node"("updatedAt", "id");

-- CreateIndex
CREATE INDEX "Node_name_id_idx" ON "Node"("name", "id");

-- CreateIndex
CREATE INDEX "Node_tags_idx" ON "Node" USING GIN ("tags");

-- CreateIndex
CREATE INDEX "Revision_createdAt_id_idx" ON "Revision"("createdAt", "id");

-- CreateIndex
CREATE INDEX "Revision_configBlob_idx" ON "Revision"("configBlob");

-- CreateIndex
CREATE INDEX "Revision_weightsBlob_idx" ON "Revision"("weightsBlob");

-- CreateIndex
CREATE INDEX "Revision_tags_idx" ON "Revision" USING GIN ("tags");

-- AddForeignKey
ALTER TABLE "RevisionMetric" ADD CONSTRAINT "RevisionMetric_revisionId_fkey" FOREIGN KEY ("revisionId") REFERENCES "Revision"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Alias" ADD CONSTRAINT "Alias_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Alias" ADD CONSTRAINT "Alias_revisionId_fkey" FOREIGN KEY ("revisionId") REFERENCES "Revision"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Redirect" ADD CONSTRAINT "Redirect_parentId_fkey" FOREIGN KEY ("parentId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Redirect" ADD CONSTRAINT "Redirect_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- The audit log only grows, whoever writes to it.
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'the audit log is append-only';
END
$$;

CREATE TRIGGER "AuditEntry_append_only" BEFORE UPDATE OR DELETE OR TRUNCATE ON "AuditEntry"
  FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();
