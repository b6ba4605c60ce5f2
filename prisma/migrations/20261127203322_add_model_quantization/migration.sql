-- AlterTable
ALTER TABLE "Model" ADD COLUMN     "quantization" TEXT;
