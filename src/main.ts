/** Starts the service. stdout is for the person at the terminal; logs go to stderr. */
import 'reflect-metadata';
import { ConfigError, readConfig, type Config } from './config.js';
import { StartError } from './errors/start-up.js';
import { createLogger } from './logger.js';
import { Service } from './service.js';
import { Shutdown } from './shutdown.js';
import { welcome } from './welcome.js';

/** Beyond the grace period: for closing the database and the engine process. */
const STOP_MARGIN_MS = 3_000;

// Whoever read may be gone, with the terminal or with the pipe: that ends nothing, and hinders no orderly end.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

await main();

async function main(): Promise<void> {
  const config = configOrExit();
  const logger = createLogger(config.logLevel);
  const service = new Service(config, logger);
  const shutdown = new Shutdown(service, config.shutdownGraceMs + STOP_MARGIN_MS, print);
  shutdown.listen();
  try {
    const running = await service.start();
    if (!shutdown.begun) print(config.announce === 'json' ? JSON.stringify(running) : welcome(running));
  } catch (error) {
    // A signal during the start closes what the start was about to use.
    if (shutdown.begun) return;
    if (error instanceof StartError) process.stderr.write(`${error.message}\n`);
    else logger.fatal({ err: error }, 'the service could not start');
    shutdown.begin(1);
  }
}

function configOrExit(): Config {
  try {
    return readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}

function print(text: string): void {
  process.stdout.write(`${text}\n`);
}
