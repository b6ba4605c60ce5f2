-- CreateTable
CREATE TABLE "Model" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "digest" TEXT NOT NULL,
    "modelType" TEXT NOT NULL,
    "config" JSONB NOT NULL,
    "origins" TEXT[],
    "folder" TEXT NOT NULL,
    "parameters" BIGINT NOT NULL,
    "bytes" BIGINT NOT NULL,
    "warnings" TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Model_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Node" (
    "id" TEXT NOT NULL,
    "modelId" TEXT NOT NULL,
    "parentId" TEXT,
    "name" TEXT NOT NULL,
    "policy" TEXT NOT NULL DEFAULT 'pinned',
    "disabledAt" TIMESTAMP(3),
    "detached" BOOLEAN NOT NULL DEFAULT false,
    "headId" TEXT,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updatedAt" TIMESTAMP(3) NOT NULL,

    CONSTRAINT "Node_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "Revision" (
    "id" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "number" INTEGER NOT NULL,
    "digest" TEXT NOT NULL,
    "trainedOnId" TEXT,
    "rank" INTEGER NOT NULL,
    "bytes" BIGINT NOT NULL,
    "configBlob" TEXT NOT NULL,
    "weightsBlob" TEXT NOT NULL,
    "targets" JSONB NOT NULL,
    "message" TEXT,
    "warnings" TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "Revision_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "HeadChange" (
    "sequence" BIGSERIAL NOT NULL,
    "nodeId" TEXT NOT NULL,
    "revisionId" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "HeadChange_pkey" PRIMARY KEY ("sequence")
);

-- CreateTable
CREATE TABLE "ServedPath" (
    "digest" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "modelName" TEXT NOT NULL,
    "baseDigest" TEXT NOT NULL,
    "steps" JSONB NOT NULL,
    "firstServed" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "ServedPath_pkey" PRIMARY KEY ("digest")
);

-- CreateTable
CREATE TABLE "ApiKey" (
    "id" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "prefix" TEXT NOT NULL,
    "hash" TEXT NOT NULL,
    "scopes" TEXT[],
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "revokedAt" TIMESTAMP(3),

    CONSTRAINT "ApiKey_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "Model_name_key" ON "Model"("name");

-- CreateIndex
CREATE UNIQUE INDEX "Node_headId_key" ON "Node"("headId");

-- CreateIndex
CREATE INDEX "Node_modelId_idx" ON "Node"("modelId");

-- CreateIndex
CREATE UNIQUE INDEX "Node_parentId_name_key" ON "Node"("parentId", "name");

-- CreateIndex
CREATE INDEX "Revision_digest_idx" ON "Revision"("digest");

-- CreateIndex
CREATE INDEX "Revision_trainedOnId_idx" ON "Revision"("trainedOnId");

-- CreateIndex
CREATE UNIQUE INDEX "Revision_nodeId_number_key" ON "Revision"("nodeId", "number");

-- CreateIndex
CREATE INDEX "HeadChange_nodeId_sequence_idx" ON "HeadChange"("nodeId", "sequence");

-- CreateIndex
CREATE UNIQUE INDEX "ApiKey_prefix_key" ON "ApiKey"("prefix");

-- AddForeignKey
ALTER TABLE "Node" ADD CONSTRAINT "Node_modelId_fkey" FOREIGN KEY ("modelId") REFERENCES "Model"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Node" ADD CONSTRAINT "Node_parentId_fkey" FOREIGN KEY ("parentId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Node" ADD CONSTRAINT "Node_headId_fkey" FOREIGN KEY ("headId") REFERENCES "Revision"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Revision" ADD CONSTRAINT "Revision_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "Revision" ADD CONSTRAINT "Revision_trainedOnId_fkey" FOREIGN KEY ("trainedOnId") REFERENCES "Revision"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "HeadChange" ADD CONSTRAINT "HeadChange_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "HeadChange" ADD CONSTRAINT "HeadChange_revisionId_fkey" FOREIGN KEY ("revisionId") REFERENCES "Revision"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
