import type { FastifyInstance } from 'fastify';

const SWEEP_MS = 50;

/**
 * Stops listening at once, and resolves when the last request is answered, or at the deadline, which cuts off those
 * that still run.
 */
export async function drain(fastify: FastifyInstance, deadlineMs: number): Promise<void> {
  // Connections that are kept alive would hold the server open after their last answer.
  const sweep = setInterval(() => fastify.server.closeIdleConnections(), SWEEP_MS);
  const cut = setTimeout(() => fastify.server.closeAllConnections(), deadlineMs);
  try {
    await fastify.close();
  } finally {
    clearInterval(sweep);
    clearTimeout(cut);
  }
}
