import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { test } from 'node:test'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'

const asRoot = { skip: process.getuid?.() === 0 ? false : 'only root becomes somebody else' }

test('who may not write to what he has mounted is told what to do, and nobody else', asRoot, (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-hint-'))
  t.after(() => rmdirSync(directory))
  const script = `
    const { writeHint } = await import(${JSON.stringify(new URL('write-hint.ts', import.meta.url).href)})
    process.setgid(4321)
    process.setuid(1234)
    console.log(await writeHint('docs', ${JSON.stringify(directory)}))`
  const hint = (): string => execFileSync(process.execPath, [...NODE_FLAGS, '--input-type=module', '-e', script]).toString()
  chmodSync(directory, 0o755)
  assert.match(
    hint(),
    /^You can't write there: the root of docs belongs to user 0 and has mode 0755\..* shoal chown 1234:4321 docs:\/\n$/,
  )
  chmodSync(directory, 0o1777)
  assert.equal(hint(), 'undefined\n')
})
