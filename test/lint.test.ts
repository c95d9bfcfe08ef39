import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

const PLANTED: Readonly<Record<string, string>> = {
  'no-floating-promises': 'export function a(b: () => Promise<void>): void {\n  b()\n}\n',
  'no-restricted-properties': 'export const a = Date.now() + Math.random()\n',
  'no-restricted-globals': 'setTimeout(() => {}, 1)\n',
  'no-cycle': `import { b } from './no-cycle.ts'\nexport const a = () => b\nexport { a as b }\n`,
  'no-default-export': 'export default 1\n',
  'no-explicit-any': 'export const a = (b: any) => b\n',
  'no-console': `console.log('a')\n`,
}

test('canary: the linter reports what is planted in a lower layer, and leaves platform to its clock', () => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-lint-'))
  try {
    for (const name of ['.oxlintrc.json', 'tsconfig.json', 'package.json']) cpSync(join(ROOT, name), join(folder, name))
    symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
    for (const [rule, text] of Object.entries(PLANTED)) plant(join(folder, 'src/chunk', `${rule}.ts`), text)
    plant(join(folder, 'src/platform/clock.ts'), 'export const nowMs = () => Date.now()\n')
    const { stdout } = spawnSync(join(ROOT, 'node_modules/.bin/oxlint'), ['--format', 'json', 'src'], {
      cwd: folder,
      encoding: 'utf8',
    })
    const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] }
    const reported = (rule: string) =>
      diagnostics.some(({ code, filename }) => filename.endsWith(`chunk/${rule}.ts`) && code.includes(rule))
    assert.deepEqual(
      Object.keys(PLANTED).filter((rule) => !reported(rule)),
      [],
      stdout,
    )
    assert.deepEqual(
      diagnostics.filter(({ filename }) => filename.includes('platform')),
      [],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})

function plant(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
}
