-- CreateTable
CREATE TABLE "MergePin" (
    "id" TEXT NOT NULL,
    "path" TEXT NOT NULL,
    "nodeId" TEXT NOT NULL,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "MergePin_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "MergePin_path_key" ON "MergePin"("path");

-- CreateIndex
CREATE INDEX "MergePin_nodeId_idx" ON "MergePin"("nodeId");

-- AddForeignKey
ALTER TABLE "MergePin" ADD CONSTRAINT "MergePin_nodeId_fkey" FOREIGN KEY ("nodeId") REFERENCES "Node"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
