import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { NodeProcesses, waitForTurns } from './node-processes.ts'

/** From proc_pid_stat(5), field 41: 0 is SCHED_OTHER, 3 SCHED_BATCH. */
function policyOf(task: string): number {
  const line = readFileSync(`/proc/${task}/stat`, 'latin1')
  return Number(line.slice(line.lastIndexOf(')') + 2).split(' ')[38])
}

function policies(): number[] {
  return readdirSync('/proc/self/task').map((task) => policyOf(`self/task/${task}`))
}

test(
  'all threads wait for their turns, those that are started later too, and no children',
  { skip: process.platform !== 'linux' },
  async () => {
    assert.ok(policies().includes(0))
    await waitForTurns()
    assert.deepEqual(new Set(policies()), new Set([3]))
    const worker = new Worker('setInterval(() => {}, 1000)', { eval: true })
    await new Promise((resolve) => worker.once('online', resolve))
    assert.deepEqual(new Set(policies()), new Set([3]))
    await worker.terminate()
    const processes = new NodeProcesses()
    const program = (await processes.find('sleep')) as string
    const child = await processes.start({ program, args: ['20'], environment: {}, onErrorLine() {} })
    while ((await processes.facts(child.pid))?.args[0] !== program) await setTimeout(5)
    assert.equal(policyOf(String(child.pid)), 0)
    child.signal('SIGKILL')
    await child.ended
  },
)
