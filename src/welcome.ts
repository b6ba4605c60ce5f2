/** What a person reads on stdout once the service is up. */
import { DEMO, type Running } from './service.js';

export function welcome({ url, keys, database, demo }: Running): string {
  return [
    `Espalier serves on ${url}`,
    '',
    `  database   ${database}`,
    ...(keys.present
      ? [`  keys       ${keys.infer}`, `             ${keys.admin}`]
      : ['  keys       made by another data folder of this database, or moved away']),
    '',
    ...(demo && keys.present
      ? ['Text from the demo tree, as it is generated:', '', `  ${streamCommand(url, keys.infer)}`, '']
      : []),
    'Ctrl-C stops the service.',
    '',
  ].join('\n');
}

function streamCommand(url: string, keyFile: string): string {
  const body = { ...DEMO, max_tokens: 64, stream: true };
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
