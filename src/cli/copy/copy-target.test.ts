import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { pathForSource } from './copy-target.ts'

interface Case {
  /** `dir`, `file`, `dir/.` or `volume:/`. */
  readonly source: string
  readonly target: string
  readonly state: 'directory' | 'file' | 'missing'
  readonly sources?: number
  /** `undefined`: refused. */
  readonly becomes: string | undefined
}

const CASES: readonly Case[] = [
  { source: 'file', target: 't', state: 'missing', becomes: 't' },
  { source: 'file', target: 't', state: 'file', becomes: 't' },
  { source: 'file', target: 't', state: 'directory', becomes: 't/file' },
  { source: 'file', target: 't/', state: 'directory', becomes: 't/file' },
  { source: 'file', target: 't/', state: 'missing', becomes: 't/file' },
  { source: 'file', target: 't/', state: 'file', becomes: undefined },
  { source: 'file', target: '', state: 'directory', becomes: 'file' },
  { source: 'dir', target: '', state: 'directory', becomes: 'dir' },
  { source: 'dir', target: 't', state: 'directory', becomes: 't/dir' },
  { source: 'dir', target: 't', state: 'missing', becomes: 't' },
  { source: 'dir', target: 't/', state: 'missing', becomes: 't' },
  { source: 'dir', target: 't', state: 'file', becomes: undefined },
  { source: 'dir/.', target: 't', state: 'directory', becomes: 't' },
  { source: 'dir/.', target: 't', state: 'missing', becomes: 't' },
  { source: 'volume:/', target: 't', state: 'missing', becomes: 't' },
  { source: 'volume:/', target: 't', state: 'directory', becomes: 't' },
  { source: 'file', target: 't', state: 'directory', sources: 2, becomes: 't/file' },
  { source: 'file', target: 't', state: 'missing', sources: 2, becomes: undefined },
  { source: 'file', target: 't/', state: 'missing', sources: 2, becomes: 't/file' },
  { source: 'dir', target: 't/', state: 'missing', sources: 2, becomes: 't/dir' },
  { source: 'file', target: 't', state: 'file', sources: 2, becomes: undefined },
]

for (const { source, target, state, sources = 1, becomes } of CASES) {
  const outcome = becomes === undefined ? 'is refused' : `becomes "${becomes}"`
  test(`${source}${sources > 1 ? ` and ${sources - 1} more` : ''} to "${target}" (${state}) ${outcome}`, () => {
    const contents = source.endsWith('/.') || source.endsWith(':/')
    const name = source.endsWith(':/') ? '' : source.replace('/.', '')
    const from = { shown: source, name, isDirectory: source !== 'file', contents }
    const to = { shown: target, path: target.replace(/\/$/, ''), state, slash: target === '' || target.endsWith('/') }
    const compute = () => pathForSource(from, to, sources)
    if (becomes === undefined) assert.throws(compute, (error) => isShoalError(error, 'INVALID_ARGUMENT'))
    else assert.equal(compute(), becomes)
  })
}
