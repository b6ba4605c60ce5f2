/** What a person reads on stdout once the service is up. */
import type { Running } from './service.js';

export function welcome({ url, keys, database }: Running): string {
  const lines = [`Espalier serves on ${url}`, '', `  database   ${database}`];
  if (!keys.present) {
    return [...lines, '  keys       made by another data folder of this database, or moved away', ''].join('\n');
  }
  return [
    ...lines,
    `  keys       ${keys.infer}`,
    `             ${keys.admin}`,
    '',
    'Text from the demo tree, as it is generated:',
    '',
    `  ${streamCommand(url, keys.infer)}`,
    '',
    'Ctrl-C stops the service.',
    '',
  ].join('\n');
}

function streamCommand(url: string, keyFile: string): string {
  const body = { model: 'storyteller/french/verne', prompt: 'Le capitaine', max_tokens: 64, stream: true };
  return [
    `curl -sSN ${url}/v1/completions`,
    `-H "Authorization: Bearer $(cat ${quoted(keyFile)})"`,
    `-H 'Content-Type: application/json'`,
    `-d ${quoted(JSON.stringify(body))}`,
  ].join(' ');
}

/** For any POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
