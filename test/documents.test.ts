import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { ERROR_STATUS } from '../src/gateway/http/error-status.ts'
import { WRITTEN_PARTS, withPart } from '../tools/documents.ts'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const PAGES = [...globSync('*.md', { cwd: ROOT }), ...globSync('docs/**/*.md', { cwd: ROOT })].toSorted()

for (const part of WRITTEN_PARTS) {
  test(`${part.document} shows the ${part.name} as they are`, () => {
    const text = readFileSync(join(ROOT, part.document), 'utf8')
    assert.equal(text, withPart(text, part), 'stale: run npm run check architecture -- --fix')
  })
}

test('every link from page to page, and every file that a page names, is there', () => {
  assert.ok(PAGES.length >= 15, `read ${PAGES.length} pages only`)
  assert.deepEqual(
    PAGES.flatMap((page) => brokenReferences(page, readFileSync(join(ROOT, page), 'utf8'))),
    [],
  )
})

test('canary: a broken link and a file that is gone are reported', () => {
  assert.equal(brokenReferences('docs/a.md', '[b](b.md) and `src/nowhere/none.test.ts`').length, 2)
})

function brokenReferences(page: string, text: string): string[] {
  const links = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)[^)]*\)/g)].map(([, target]) =>
    join(dirname(page), target as string),
  )
  const files = [...text.matchAll(/`((?:src|test|tools|bin|docs|bench)\/[\w./-]+\.[a-z]+)`/g)].map(([, path]) => path as string)
  return [...links, ...files]
    .filter((path) => !existsSync(join(ROOT, path)))
    .map((path) => `${page} names ${path}, which isn't there`)
}

test('docs/dependencies.md lists what package.json has, no more and no less', () => {
  const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Record<
    string,
    Record<string, string> | undefined
  >
  const page = readFileSync(join(ROOT, 'docs/dependencies.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  const kinds = ['dependencies', 'optionalDependencies', 'devDependencies']
  assert.deepEqual(
    listed,
    kinds.flatMap((kind) => Object.keys(manifest[kind] ?? {})),
  )
})

test('docs/guarantees.md names tests that exist', () => {
  const named = [...readFileSync(join(ROOT, 'docs/guarantees.md'), 'utf8').matchAll(/`([^`]+\.ts)`: (.+?)(?= · `| \|$)/gm)]
  assert.ok(named.length >= 10, `read ${named.length} tests only`)
  const unquoted = (path: string) => readFileSync(join(ROOT, path), 'utf8').replaceAll('\\', '')
  assert.deepEqual(
    named.filter(([, path, name]) => !unquoted(path as string).includes(name as string)).map(([row]) => row),
    [],
  )
})

test('docs/errors.md gives the status that REST answers with', () => {
  const page = readFileSync(join(ROOT, 'docs/errors.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `([A-Z_]+)` \| (\d{3}) \|/gm)].map(([, code, status]) => [code, Number(status)])
  assert.deepEqual(Object.fromEntries(listed), ERROR_STATUS)
})
