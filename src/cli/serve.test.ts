import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { EXIT } from './exit-code.ts'

const MAIN = fileURLToPath(new URL('../main.ts', import.meta.url))
const STOP_WITHIN_MS = 20_000

let root: string
let node: ChildProcess | undefined

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'shoal-serve-'))
})

afterEach(async () => {
  if (node?.exitCode === null && node.signalCode === null) {
    node.kill('SIGKILL')
    await once(node, 'exit')
  }
  rmSync(root, { recursive: true, force: true })
})

interface Greeting {
  readonly url: string
  readonly accessKey?: string
  readonly secretKey?: string
}

const environment = () => ({ PATH: process.env['PATH'] ?? '', HOME: root, SHOAL_DATA: join(root, 'data') })

async function start(...args: string[]): Promise<Greeting> {
  return startLogging({ level: 'error', to: 'inherit' }, ...args)
}

async function startLogging({ level, to }: { level: string; to: 'inherit' | number }, ...args: string[]): Promise<Greeting> {
  node = spawn(process.execPath, [MAIN, 'serve', '--port', '0', '--log-level', level, '--json', ...args], {
    env: environment(),
    stdio: ['ignore', 'pipe', to],
  })
  const [line] = (await once(node.stdout!, 'data', { signal: AbortSignal.timeout(STOP_WITHIN_MS) })) as [Buffer]
  return JSON.parse(line.toString()) as Greeting
}

async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
  assert.ok(node !== undefined)
  const exited = once(node, 'exit', { signal: AbortSignal.timeout(STOP_WITHIN_MS) })
  node.kill(signal)
  return ((await exited) as [number | null])[0]
}

function shoal(endpoint: string, ...args: string[]): { code: number; out: string } {
  try {
    const out = execFileSync(process.execPath, [MAIN, ...args], {
      env: { ...environment(), SHOAL_ENDPOINT: endpoint },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    return { code: 0, out: out.toString() }
  } catch (error) {
    const { status, stdout } = error as { status: number; stdout: Buffer }
    return { code: status, out: stdout.toString() }
  }
}

test('a node shows its root key at the first start only, and its own machine needs no other', async () => {
  const first = await start()
  assert.match(first.url, /^http:\/\/127\.0\.0\.1:\d+$/)
  assert.ok(first.accessKey !== undefined && first.secretKey !== undefined)
  assert.equal(statSync(join(root, 'data/root-credentials.json')).mode & 0o777, 0o600)
  assert.equal(shoal(first.url, 'volume', 'create', 'docs').code, EXIT.ok)
  assert.equal(await stop(), EXIT.ok)
  const second = await start()
  assert.deepEqual([second.accessKey, second.secretKey], [undefined, undefined])
  assert.match(shoal(second.url, 'volume', 'list').out, /docs/)
  assert.equal(await stop('SIGINT'), EXIT.ok)
})

test('a tree goes in, out, and in again past a restart; the stopped node is in order', async () => {
  const tree = join(root, 'tree')
  mkdirSync(join(tree, 'a/b'), { recursive: true })
  for (const size of [0, 1, 4095, 4096, 4097, 131_073, 9_000_000]) writeFileSync(join(tree, 'a', String(size)), randomBytes(size))
  symlinkSync('a/1', join(tree, 'link'))
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff, 0x0a, 0x1b])]), 'odd')
  const { url } = await start()
  shoal(url, 'volume', 'create', 'docs')
  assert.equal(shoal(url, 'cp', '-r', '--verify', tree, 'docs:/').code, EXIT.ok)
  assert.equal(shoal(url, 'cp', '-r', tree, 'docs:/').code, EXIT.ok)
  assert.equal(await stop(), EXIT.ok)
  const again = await start()
  const { skipped, files } = JSON.parse(shoal(again.url, 'cp', '-r', '--update', '--json', tree, 'docs:/').out) as Record<
    string,
    number
  >
  assert.deepEqual([skipped, files], [9, 0])
  assert.equal(shoal(again.url, 'cp', '-r', 'docs:/tree', join(root, 'out')).code, EXIT.ok)
  execFileSync('diff', ['-r', '--no-dereference', tree, join(root, 'out')])
  assert.equal(shoal(again.url, 'cp', '-r', 'docs:/tree', 'docs:/copy').code, EXIT.ok)
  assert.equal(shoal(again.url, 'fsck', '--verify').code, EXIT.ok)
  assert.equal(shoal(again.url, 'fsck', '--data', join(root, 'data')).code, EXIT.failure, 'in use')
  await stop()
  assert.equal(shoal(again.url, 'fsck', '--data', join(root, 'data'), '--verify').code, EXIT.ok)
})

test('a node serves although its log is on a full disk, and commands end as ever where nothing can be said', async (t) => {
  const full = openSync('/dev/full', 'w')
  t.after(() => closeSync(full))
  const { url } = await startLogging({ level: 'debug', to: full })
  assert.equal(shoal(url, 'volume', 'create', 'docs').code, EXIT.ok)
  assert.equal(
    spawnSync(process.execPath, [MAIN, 'ls', 'none:'], {
      env: { ...environment(), SHOAL_ENDPOINT: url },
      stdio: ['ignore', 'ignore', full],
    }).status,
    EXIT.notFound,
  )
  assert.equal(await stop(), EXIT.ok)
})
