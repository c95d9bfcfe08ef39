import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { RelayedLog } from '#observe/relayed-log.ts'
import type { LogLine } from '#observe/relayed-log.ts'
import type { ThreadEvents, Threads } from '#platform/threads.ts'
import { Client, startBusyNode } from './reader-threads.suite.ts'

/** A machine on which threads end as they begin, or never begin. */
class BadThreads implements Threads {
  readonly cores = 3
  readonly canSharePorts = true
  readonly #how: 'end' | 'hang'
  started = 0

  constructor(how: 'end' | 'hang') {
    this.#how = how
  }

  start(_module: URL, _data: unknown, { ended }: ThreadEvents): { post: (message: unknown) => void } {
    this.started += 1
    if (this.#how === 'end') setImmediate(() => ended(new Error('planned')))
    return { post: () => ended(undefined) }
  }

  busyShare(): number {
    return 1
  }

  idleCores(): number {
    return 1
  }
}

for (const how of ['end', 'hang'] as const)
  test(`a node goes on without the thread that would not start (${how}), and stops`, async () => {
    const data = await mkdtemp(join(tmpdir(), 'shoal-readers-'))
    const threads = new BadThreads(how)
    const lines: LogLine[] = []
    const node = await startBusyNode({ data }, { threads, log: new RelayedLog((line) => lines.push(line)) })
    const clients = [new Client(node.s3Url), new Client(node.s3Url)]
    try {
      const endMs = performance.now() + 60_000
      for (let rounds = 0; threads.started === 0 || rounds < 20; rounds += 1) {
        assert.ok(performance.now() < endMs)
        await Promise.all(clients.map((client) => client.get('there').catch(() => undefined)))
      }
      const isTold = () => lines.some(({ level }) => level === 'error')
      while (how === 'end' && !isTold() && performance.now() < endMs) await delay(20)
      assert.equal(threads.started, 1)
      assert.equal(lines.filter(({ level }) => level === 'error').length, how === 'end' ? 1 : 0)
    } finally {
      for (const client of clients) client.close()
      await node.stop()
      await rm(data, { recursive: true })
    }
  })
