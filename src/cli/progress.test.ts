import assert from 'node:assert/strict'
import { Readable, Writable } from 'node:stream'
import { mock, test } from 'node:test'
import type { Io } from './io.ts'
import { Progress } from './progress.ts'

function screen(isTTY: boolean, columns?: number) {
  const written: string[] = []
  const stderr = Object.assign(new Writable({ write: (chunk: Buffer, _, done) => (written.push(chunk.toString()), done()) }), {
    isTTY,
    ...(columns === undefined ? {} : { columns }),
  })
  const io: Io = { stdin: Readable.from([]), stdout: stderr, stderr, env: {} }
  let nowMs = 0
  const clock = { monotonicMs: () => nowMs, nowMs: () => 0, nowNs: () => 0n, sleep: async () => undefined }
  const pass = (ms: number) => {
    nowMs += ms
    mock.timers.tick(ms)
  }
  return { io, clock, written, pass }
}

test('a bar fits its line and tells rate and time left', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { io, clock, written, pass } = screen(true, 100)
  const progress = new Progress({ io, clock, quiet: false })
  progress.start()
  progress.expect({ bytes: 4000, files: 4 })
  for (let step = 0; step < 20; step += 1) {
    progress.advance({ bytes: 100, files: 0.1 })
    pass(100)
  }
  const line = (written.at(-1) as string).replace('\r', '').replace('\x1b[K', '')
  assert.match(line, /^\[#+\.+\] 50% {2}2\/4 files, 2\.0 KiB of 4\.0 KiB, 1000 B\/s, 2 s left$/)
  assert.ok(line.length < 100)
  progress.note('a word')
  assert.deepEqual(written.slice(-2), ['\r\x1b[K', 'a word\n'])
  progress.stop()
  mock.timers.reset()
})

test('on a narrow terminal the text is what counts', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  const { io, clock, written, pass } = screen(true, 40)
  const progress = new Progress({ io, clock, quiet: false })
  progress.start()
  progress.expect({ bytes: 4096, files: 4 })
  pass(100)
  assert.ok((written.at(-1) as string).replace('\x1b[K', '').length <= 40)
  progress.stop()
  mock.timers.reset()
})

test('without a terminal there is a line every ten seconds, and none with quiet', () => {
  mock.timers.enable({ apis: ['setInterval'] })
  for (const quiet of [false, true]) {
    const { io, clock, written, pass } = screen(false)
    const progress = new Progress({ io, clock, quiet })
    progress.start()
    progress.advance({ bytes: 1024, files: 1 })
    for (let second = 0; second < 25; second += 1) pass(1000)
    progress.stop()
    assert.equal(written.length, quiet ? 0 : 2)
    if (!quiet) assert.match(written[0] as string, /^1 file, 1\.0 KiB, .*\/s\n$/)
  }
  mock.timers.reset()
})
