import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ChunkStore } from '#chunk/store.ts'
import type { SharedLog } from '#sharedlog/log.ts'
import type { MemoryLogClient } from '#sharedlog/memory.ts'
import { replacing } from './defects.ts'
import type { Defects } from './defects.ts'
import { simulate } from './simulation.ts'

const SEEDS = 40
/** Longer than others: what is looked for has more time to happen. */
const STEPS = 600
/** Of so many appends of a node the answer to one is lost. */
const LOST_EVERY = 12

/** A run that breaks off has found something, too. */
async function isFound(defects: Defects): Promise<boolean> {
  for (let seed = 1; seed <= SEEDS; seed += 1) {
    const { problems } = await simulate({ defects, seed, steps: STEPS }).catch((error: unknown) => ({
      problems: [String(error)],
    }))
    if (problems.length > 0) return true
  }
  return false
}

function replacingAppend(append: (log: MemoryLogClient) => SharedLog['append']): Defects {
  return { log: (log) => replacing<SharedLog>(log, { append: append(log) }) }
}

test('canary: metadata that are acknowledged before they are in the log are found', async () => {
  const early = replacingAppend((log) => async (entry) => {
    void log.append(entry).catch(() => {})
    return 'appended'
  })
  assert.ok(await isFound(early))
})

test('canary: lost answers of the log that are taken for refusals are found', async () => {
  // Mostly the same change is sent again, and its result is remembered: it takes many of them.
  const doubting = replacingAppend((log) => {
    let appends = 0
    return async (entry) => {
      const outcome = await log.append(entry).catch(() => 'deposed' as const)
      appends += 1
      return appends % LOST_EVERY === 0 ? 'deposed' : outcome
    }
  })
  assert.ok(await isFound(doubting))
})

test('canary: disks that forget what they were told to keep are found', async () => {
  assert.ok(await isFound({ isForgetful: true }))
})

test('canary: a follower that answers without asking the log is found', async () => {
  assert.ok(await isFound({ isStale: true }))
})

test('canary: a door of a node that does not lead, which reads without asking whether its copy is up to date, is found', async () => {
  assert.ok(await isFound({ isUnconfirmed: true }))
})

test('canary: a node that relies on a promise of the leader for longer than it lasts is found', async () => {
  assert.ok(await isFound({ isTooTrusting: true }))
})

test('canary: results of changes that are forgotten are found', async () => {
  assert.ok(await isFound({ isForgettingResults: true }))
})

test('canary: a change that is sent again after a broken connection is found', async () => {
  assert.ok(await isFound({ isRepeated: true }))
})

test('canary: a log that is trimmed before anybody has what is in it on a disk is found', async () => {
  const trimming = replacingAppend((log) => async (entry) => {
    const outcome = await log.append(entry)
    if (outcome === 'appended') void log.trim(entry.index).catch(() => {})
    return outcome
  })
  assert.ok(await isFound(trimming))
})

test('canary: a store that says of some chunks that it has them, and has not, is found', async () => {
  const lying: Defects = {
    store: (store) =>
      replacing<ChunkStore>(store, { write: async (id, bytes) => (id < '2' ? undefined : store.write(id, bytes)) }),
  }
  assert.ok(await isFound(lying))
})

test('canary: a node that leads on though its storage has failed is found', async () => {
  assert.ok(await isFound({ isStubborn: true }))
})

test('canary: chunks that are acknowledged with one durable copy where their class promises more are found', async () => {
  assert.ok(await isFound({ isHasty: true }))
})
