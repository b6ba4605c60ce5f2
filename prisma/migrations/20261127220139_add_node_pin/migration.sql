-- AlterTable
ALTER TABLE "Node" ADD COLUMN     "pinnedAt" TIMESTAMP(3);
