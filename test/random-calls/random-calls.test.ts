import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { constants, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { constants as osConstants, tmpdir } from 'node:os'
import { join } from 'node:path'
import process from 'node:process'
import { after, before, test } from 'node:test'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import { noMounts } from '../../src/gateway/fuse/mounted.suite.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { type Call, formatCalls, parseCalls } from './calls.ts'
import { compareAnswers, compareFacts, withoutLateTimes } from './compare-answers.ts'
import { CallGenerator } from './generate-calls.ts'
import type { Answer } from './world.ts'
import { noReferenceDisk } from './reference-disk.ts'
import { CallBench, CallScene, type SceneName, SCENES } from './scenes.ts'
import { shortenCalls } from './shorten-calls.ts'

/** `npm run calls` has more of them, and shortens what fails. */
const SEEDS: Readonly<Record<SceneName, { readonly seeds: readonly number[]; readonly count: number }>> = {
  back: { seeds: [3, 4], count: 150 },
  through: { seeds: [5], count: 100 },
  two: { seeds: [6], count: 130 },
  mixed: { seeds: [8], count: 100 },
  kills: { seeds: [9], count: 140 },
}

const skip = noMounts || noReferenceDisk
let bench: CallBench

before(async () => {
  if (skip === false) bench = await CallBench.open()
})

after(async () => {
  if (skip === false) await bench.close()
})

for (const name of Object.keys(SCENES) as SceneName[]) {
  test(`random calls are answered as on ext4: ${name}`, { skip, timeout: 120_000 }, async (t) => {
    const scene = await CallScene.start(bench, name)
    t.after(() => scene.stop())
    const { seeds, count } = SEEDS[name]
    for (const seed of seeds) {
      const { calls, difference } = await scene.draw({ seed, count })
      const last = formatCalls(calls.slice(-1))
      assert.equal(difference?.text, undefined, `npm run calls -- ${name} --seed ${seed} --seeds 1 --calls ${count}: ${last}`)
    }
  })
}

test('canary: what differs between a mount and ext4 is found, and shortened to the calls that it takes', { skip }, async (t) => {
  const scene = await CallScene.start(bench, 'back')
  t.after(() => scene.stop())
  const needed: Call[] = [
    ['open', 0, 0, 1, 'f', constants.O_RDWR | constants.O_CREAT, 0o666],
    ['write', 0, 0, 1, ['text', 1, 8192]],
    // Ranges can't be collapsed in a mount.
    ['fallocate', 0, 0, 1, 8, 0, 4096],
  ]
  const calls: Call[] = [['mkdir', 0, 0, 'd', 0o777], ...needed, ['mkdir', 0, 0, 'e', 0o777]]
  const { difference, calls: done } = await scene.replay(calls, 2)
  assert.equal(difference?.kind, 'fallocate: done and ENOTSUP')
  assert.deepEqual(done, calls.slice(0, -1))
  const shorter = await scene.shorten(done, { kind: difference.kind, seed: 2, triesMax: 20 })
  assert.deepEqual(shorter?.calls, needed)
})

test('the same seed draws the same calls, and a call is the same when it was printed', () => {
  const drawn = (seed: number): Call[] => {
    const generator = new CallGenerator({ seed, stages: ['settle'], stageEvery: 50 })
    return Array.from({ length: 500 }, () => {
      const call = generator.next()
      generator.note(call, true)
      return call
    })
  }
  const calls = drawn(7)
  assert.deepEqual(calls, drawn(7))
  assert.notDeepEqual(calls, drawn(8))
  assert.deepEqual(parseCalls(formatCalls(calls)), calls)
  // Each kind of call is drawn sooner or later, with something to do it with.
  assert.ok(new Set([...calls, ...drawn(9), ...drawn(10)].map(([name]) => name)).size > 60)
})

test('what differs is named, in what calls answer and in what they leave', () => {
  const file = { mode: '0o100644', size: 3 }
  const answer = { value: 3, seen: { f: file } }
  assert.equal(compareAnswers('write', answer, answer), undefined)
  assert.equal(compareAnswers('write', answer, { error: 'EIO', seen: {} })?.kind, 'write: done and EIO')
  assert.equal(compareAnswers('write', answer, { ...answer, value: 4 })?.kind, 'write: done and done')
  assert.equal(compareAnswers('write', answer, { ...answer, seen: { f: { ...file, size: 4 } } })?.kind, 'after write: size')
  // Times that don't change are found; those that change once more are not.
  const timed = (mode: string, isNew: boolean): Answer => ({ seen: { f: { mode, 'mtime is new': isNew } } })
  const timesOf = (mode: string, [there, here]: readonly [boolean, boolean]): unknown => {
    const expected = timed(mode, there)
    return compareAnswers('x', expected, withoutLateTimes(timed(mode, here), expected))?.kind
  }
  for (const mode of ['0o100644', '0o40755']) {
    assert.equal(timesOf(mode, [true, false]), 'after x: mtime is new')
    assert.equal(timesOf(mode, [false, true]), undefined)
  }
  assert.equal(compareFacts({ f: file, g: file }, { f: file })?.kind, 'there and not there')
  assert.match(compareFacts({ f: file }, { f: { ...file, size: 4 } })?.text ?? '', /"f": size 3 on the disk, size 4 in the mount/)
})

test('a sequence is shortened to what it fails with', async () => {
  const calls = Array.from({ length: 100 }, (_, at) => at)
  const shortest = await shortenCalls(calls, async (some) => [3, 50, 97].every((at) => some.includes(at)), { triesMax: 1_000 })
  assert.deepEqual(shortest, [3, 50, 97])
  let tries = 0
  const some = await shortenCalls(calls, async () => (tries += 1) % 2 === 0, { triesMax: 5 })
  assert.ok(tries <= 5 && some.length < 100)
})

test('who ends the program leaves no mounts, no loop device and no files behind', { skip, timeout: 60_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-ended-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const mounted = (): number => readFileSync('/proc/mounts', 'utf8').split(folder).length - 1
  const program = spawn(process.execPath, [...NODE_FLAGS, 'test/random-calls/random-calls.soak.ts', 'two', '--seeds', '1000'], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  t.after(() => program.kill('SIGKILL'))
  // Two mounts and an ext4.
  while (mounted() < 3) await nodeClock.sleep(50)
  await nodeClock.sleep(500)
  program.kill('SIGTERM')
  assert.deepEqual(await once(program, 'exit'), [128 + osConstants.signals.SIGTERM, null])
  assert.deepEqual([mounted(), readdirSync(folder)], [0, []])
})
