-- AlterTable
ALTER TABLE "HeadChange" ADD COLUMN     "keyId" TEXT,
ADD COLUMN     "keyName" TEXT,
ALTER COLUMN "revisionId" DROP NOT NULL;

-- AddForeignKey
ALTER TABLE "Revision" ADD CONSTRAINT "Revision_fallbackId_fkey" FOREIGN KEY ("fallbackId") REFERENCES "Revision"("id") ON DELETE RESTRICT ON UPDATE CASCADE;
