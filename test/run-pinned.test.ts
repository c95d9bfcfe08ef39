import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
const MACHINE_PATH = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'))
const MACHINE_NODE = MACHINE_PATH.map((folder) => join(folder, 'node')).find((path) => existsSync(path))
const skip = MACHINE_NODE === undefined && 'the machine has no Node of its own'

const MAIN = `
  const [what] = process.argv.slice(2)
  if (what === 'wait') {
    process.on('SIGTERM', () => process.exit(5))
    setInterval(() => {}, 1000)
    console.log('ready')
  } else if (what === 'path') console.log(process.env.PATH)
  else if (what === 'die') process.kill(process.pid, 'SIGKILL')
  else console.log(JSON.stringify([process.version, process.argv.slice(2), process.env.UV_THREADPOOL_SIZE]))
  process.exitCode = 3
`

function makeCheckout(t: TestContext, { installed }: { installed: boolean }): string {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-checkout-'))
  t.after(() => rmSync(folder, { recursive: true }))
  for (const name of ['bin', 'package.json', 'package-lock.json'])
    cpSync(join(ROOT, name), join(folder, name), { recursive: true })
  mkdirSync(join(folder, 'src'))
  writeFileSync(join(folder, 'src/main.ts'), MAIN)
  if (installed) symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'))
  return folder
}

function start(folder: string, args: readonly string[], env: Record<string, string> = {}) {
  const { UV_THREADPOOL_SIZE: _, ...inherited } = process.env
  const child = spawn(MACHINE_NODE ?? '', [join(folder, 'bin/shoal.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...inherited, PATH: MACHINE_PATH.join(delimiter), ...env },
  })
  const output = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output.stdout += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output.stderr += text))
  return { child, output, ended: once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]> }
}

test("under the machine's Node the pinned one runs, with the arguments, and its exit code comes back", { skip }, async (t) => {
  const { ended, output } = start(makeCheckout(t, { installed: true }), ['a', 'b c', ''])
  assert.deepEqual(await ended, [3, null], output.stderr)
  assert.deepEqual(JSON.parse(output.stdout), [process.version, ['a', 'b c', ''], '8'])
})

test("where there is no PATH the system's programs are found all the same", { skip }, async (t) => {
  const { ended, output } = start(makeCheckout(t, { installed: true }), ['path'], { PATH: '' })
  await ended
  assert.match(output.stdout, /:\/usr\/local\/bin:\/usr\/bin:\/bin\n$/)
})

test('a signal reaches the pinned Node, which decides how to end', { skip }, async (t) => {
  const { child, ended } = start(makeCheckout(t, { installed: true }), ['wait'])
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [5, null])
})

test('a signal that ended the pinned Node is how the command ends', { skip }, async (t) => {
  assert.deepEqual(await start(makeCheckout(t, { installed: true }), ['die']).ended, [null, 'SIGKILL'])
})

test('without dependencies and without a network, the command says what is the matter', { skip }, async (t) => {
  const folder = makeCheckout(t, { installed: false })
  const { ended, output } = start(folder, ['a'], { npm_config_offline: 'true', npm_config_cache: join(folder, 'cache') })
  assert.deepEqual(await ended, [1, null])
  assert.match(output.stderr, /shoal: installing dependencies \(npm ci\)/)
  assert.match(output.stderr, /shoal: the npm registry cannot be reached/)
  assert.equal(output.stdout, '')
  assert.ok(!existsSync(join(folder, '.install-lock')))
})
