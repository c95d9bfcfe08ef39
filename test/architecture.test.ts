import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ADAPTERS, LAYERS, OUTSIDE_MODULES } from '../tools/architecture/layers.ts'
import { findViolations, layerOf, type SourceFile } from '../tools/architecture/rules.ts'

const SOURCES: readonly SourceFile[] = globSync('src/**/*.ts', { cwd: new URL('..', import.meta.url) })
  .toSorted()
  .map((path) => ({ path, text: readFileSync(new URL(`../${path}`, import.meta.url), 'utf8') }))

test('no file imports what its layer may not', () => {
  assert.ok(SOURCES.length >= 60, `read ${SOURCES.length} files only`)
  assert.deepEqual(findViolations(SOURCES), [])
})

test('each row of the tables still speaks of something', () => {
  for (const { name } of LAYERS)
    assert.ok(
      SOURCES.some(({ path }) => layerOf(path) === name),
      `layer ${name} has no file`,
    )
  for (const pattern of ADAPTERS)
    assert.ok(
      SOURCES.some(({ path }) => pattern.test(path)),
      `no adapter matches ${pattern}`,
    )
  for (const [name, users] of Object.entries(OUTSIDE_MODULES)) {
    const used = SOURCES.some(({ path, text }) => users.test(path) && text.includes(`'${name}'`))
    assert.ok(used, `no file that may import "${name}" does`)
  }
})

test('a layer imports only layers below it', () => {
  const below: string[] = []
  for (const { name, imports } of LAYERS) {
    for (const target of imports) assert.ok(below.includes(target), `${name} imports ${target}, which isn't below it`)
    below.push(name)
  }
})

const PLANTED: readonly { readonly promise: string; readonly path: string; readonly text: string }[] = [
  { promise: 'a lower layer must not import a higher one', path: 'src/kv/a.ts', text: `import { x } from '#volume/x.ts'\n` },
  { promise: 'types count', path: 'src/kv/a.ts', text: `import type { X } from '#volume/x.ts'\n` },
  { promise: 'imports over several lines count', path: 'src/kv/a.ts', text: `import {\n  x,\n  y,\n} from '#volume/x.ts'\n` },
  { promise: 're-exports count', path: 'src/kv/a.ts', text: `export { x } from '#volume/x.ts'\n` },
  { promise: 'imports for their effect count', path: 'src/kv/a.ts', text: `import '#volume/x.ts'\n` },
  { promise: 'late imports count', path: 'src/kv/a.ts', text: `const x = await import('#volume/x.ts')\n` },
  { promise: 'relative paths out of a layer', path: 'src/volume/a.ts', text: `import { x } from '../chunk/store.ts'\n` },
  {
    promise: 'gateways never import each other',
    path: 'src/gateway/http/a.ts',
    text: `import { x } from '#gateway/rest/x.ts'\n`,
  },
  { promise: 'adapters belong to the node', path: 'src/volume/a.ts', text: `import { x } from '#chunk/disk-store.ts'\n` },
  {
    promise: 'adapters belong to the node (clock)',
    path: 'src/chunk/a.ts',
    text: `import { x } from '#platform/node-clock.ts'\n`,
  },
  {
    promise: 'adapters belong to the node (metrics)',
    path: 'src/cli/a.ts',
    text: `import { x } from '#observe/prom-metrics.ts'\n`,
  },
  {
    promise: 'a door that goes past the volume',
    path: 'src/gateway/rest/a.ts',
    text: `import { x } from '#metadata/metadata.ts'\n`,
  },
  { promise: 'test code stays in tests', path: 'src/node/a.ts', text: `import { x } from '#kv/store.suite.ts'\n` },
  { promise: 'files go through the port', path: 'src/chunk/a.ts', text: `import { open } from 'node:fs/promises'\n` },
  { promise: 'a package that nobody listed', path: 'src/chunk/a.ts', text: `import { x } from 'left-pad'\n` },
  { promise: 'a folder that is no layer', path: 'src/stuff/a.ts', text: '' },
  { promise: 'a gateway that is no layer', path: 'src/gateway/gopher/a.ts', text: '' },
  { promise: 'names in kebab-case', path: 'src/kv/someThing.ts', text: '' },
  { promise: 'names that say something', path: 'src/kv/key-utils.ts', text: '' },
  { promise: 'long files', path: 'src/kv/a.ts', text: 'x\n'.repeat(401) },
  { promise: 'long tests', path: 'src/kv/a.test.ts', text: 'x\n'.repeat(401) },
  { promise: 'long suites', path: 'src/kv/a.suite.ts', text: 'x\n'.repeat(401) },
  { promise: 'the wall clock', path: 'src/kv/a.ts', text: 'const now = new Date()\n' },
  { promise: 'barrels', path: 'src/kv/a.ts', text: `export * from './store.ts'\n` },
]

for (const { promise, path, text } of PLANTED) {
  test(`canary: reported is ${promise}`, () => {
    assert.equal(findViolations([{ path, text }]).length, 1)
  })
}

test('what is allowed is not reported', () => {
  const text = [
    `import { LmdbStore } from '#kv/lmdb-store.ts'`,
    `import { createHash } from 'node:crypto'`,
    `import { start } from './start.ts'`,
    `const text = 'never import x from "#cli/x.ts"'`,
  ].join('\n')
  assert.deepEqual(findViolations([{ path: 'src/node/a.ts', text }]), [])
})
