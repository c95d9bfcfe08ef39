import { readFileSync } from 'node:fs'

/** Of Shoal, from package.json. */
export function shoalVersion(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
