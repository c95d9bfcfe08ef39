// The parts of documents that are written from the sources. `test/documents.test.ts` fails when one is stale.
import { configurationTable } from '../src/config/describe-config.ts'
import { drawLayers } from './architecture/diagram.ts'

export interface WrittenPart {
  readonly document: string
  /** The part stands between `<!-- name -->` and `<!-- /name -->`. */
  readonly name: string
  readonly write: () => string
}

export const WRITTEN_PARTS: readonly WrittenPart[] = [
  { document: 'ARCHITECTURE.md', name: 'layers', write: drawLayers },
  { document: 'docs/configuration.md', name: 'settings', write: configurationTable },
]

/** `text` with the part written anew. */
export function withPart(text: string, { document, name, write }: WrittenPart): string {
  const begin = `<!-- ${name} -->`
  const end = `<!-- /${name} -->`
  const from = text.indexOf(begin)
  const to = text.indexOf(end)
  if (from === -1 || to < from) throw new Error(`${document} has lost its marks "${begin}" and "${end}"`)
  return `${text.slice(0, from + begin.length)}\n${write()}\n${text.slice(to)}`
}
