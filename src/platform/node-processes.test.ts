import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isShoalError } from '#foundation/errors.ts'
import { NodeProcesses } from './node-processes.ts'
import type { Leash } from './node-processes.ts'
import { LINE_BYTES_MAX } from './processes.ts'

const LEASHES: readonly Leash[] = ['kernel', 'watchdog']
const WITHIN_MS = 5_000

async function isGone(pid: number): Promise<boolean> {
  const processes = new NodeProcesses()
  for (let leftMs = WITHIN_MS; leftMs > 0; leftMs -= 10) {
    if ((await processes.facts(pid)) === undefined) return true
    await delay(10)
  }
  return false
}

for (const leash of LEASHES) {
  test(`a child tells its lines and its end, and gets the environment that it is given (${leash})`, async () => {
    const lines: string[] = []
    const script = `echo "$A and $HOME" >&2; printf 'x%.0s' $(seq 5000) >&2; echo >&2; printf 'cut off' >&2; exit 7`
    const child = await new NodeProcesses({ leash }).start({
      program: '/bin/sh',
      args: ['-c', script],
      environment: { A: 'given', PATH: '/usr/bin:/bin' },
      onErrorLine: (line) => lines.push(line),
    })
    assert.deepEqual(await child.ended, { exitCode: 7 })
    assert.deepEqual(lines, ['given and ', 'x'.repeat(LINE_BYTES_MAX), 'cut off'])
  })

  test(`a child ends with its parent, also when that is killed (${leash})`, async () => {
    const script = fileURLToPath(new URL('node-processes.child.ts', import.meta.url))
    const parent = spawn(process.execPath, [script, leash, 'sleep', '600'], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [said] = (await once(parent.stdout, 'data')) as [Buffer]
    const pid = Number(said.toString())
    // In the middle of becoming another program it has no arguments.
    const last = async () => (await new NodeProcesses().facts(pid))?.args.at(-1)
    for (let tries = 0; tries < 500 && (await last()) !== '600'; tries += 1) await delay(10)
    const running = await last()
    parent.kill('SIGKILL')
    assert.equal(running, '600')
    assert.ok(await isGone(pid))
  })

  test(`a child ends by a signal, in a session of its own (${leash})`, async () => {
    const processes = new NodeProcesses({ leash })
    const child = await processes.start({ program: '/bin/sleep', args: ['600'], environment: {}, onErrorLine() {} })
    const session = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(' ')[5]
    assert.equal(Number(session), child.pid)
    child.signal('SIGTERM')
    assert.deepEqual(await child.ended, { signal: 'SIGTERM' })
    child.signal('SIGKILL')
    assert.equal(await processes.facts(child.pid), undefined)
    assert.equal(processes.signal(child.pid, 'SIGKILL'), false)
  })
}

test('a program is found by its name or path, and what cannot be run is not', async () => {
  const processes = new NodeProcesses()
  assert.match((await processes.find('sleep')) as string, /^\/.*\/sleep$/)
  assert.equal(await processes.find('/bin/sh'), '/bin/sh')
  assert.equal(await processes.find('no-such-program'), undefined)
  assert.equal(await processes.find('/etc/passwd'), undefined)
  assert.equal(await processes.find('/usr'), undefined)
  const start = new NodeProcesses({ leash: 'watchdog' }).start({
    program: '/etc/passwd',
    args: [],
    environment: {},
    onErrorLine() {},
  })
  await assert.rejects(start, (error) => isShoalError(error, 'UNAVAILABLE'))
})

test('the mark of a process is its own', async () => {
  const processes = new NodeProcesses()
  const [a, b] = [await processes.facts(process.pid), await processes.facts(process.ppid)]
  assert.deepEqual(await processes.facts(process.pid), a)
  assert.notEqual(a?.startMark, b?.startMark)
})
