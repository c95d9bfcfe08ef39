// Kills a mount while a long file is written through it, of which the node takes parts out of the mount's journal.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nodeClock } from '../../src/platform/node-clock.ts'
import type { KillBench } from './mount-kills.ts'

const MIB = 1024 * 1024
const FILE_BYTES = 96 * MIB

/** One round: what `dd` was answered when it closed the file is there after the next mount; otherwise the beginning is. Says whether it
 *  had been closed. */
export async function longFileRound(
  { mounted, client, volume, folder }: KillBench,
  { name, afterMs, isSynced }: { readonly name: string; readonly afterMs: number; readonly isSynced: boolean },
): Promise<boolean> {
  const source = join(folder, 'source')
  const bytes = randomBytes(FILE_BYTES)
  writeFileSync(source, bytes)
  await mounted.mount()
  const target = join(mounted.directory, name)
  const dd = spawn('dd', [`if=${source}`, `of=${target}`, 'bs=1M', ...(isSynced ? ['conv=fsync'] : [])], { stdio: 'ignore' })
  const ended = once(dd, 'exit')
  await Promise.race([nodeClock.sleep(afterMs), ended])
  const isClosed = dd.exitCode === 0
  await mounted.kill()
  await ended
  if (isClosed && isSynced) assert.equal((await client.getEntry(volume, name)).size, FILE_BYTES)
  await mounted.mount()
  // It was killed before the file was made.
  if (!existsSync(target)) {
    assert.ok(!isClosed)
    await mounted.unmount()
    return false
  }
  const there = readFileSync(target)
  assert.ok(there.equals(bytes.subarray(0, there.length)), `${name} is another one`)
  if (isClosed) assert.equal(there.length, FILE_BYTES)
  await mounted.unmount()
  const stored = createHash('sha256')
  for await (const piece of (await client.openFile(volume, name)).body) stored.update(piece)
  assert.equal(stored.digest('hex'), createHash('sha256').update(there).digest('hex'), 'the cluster has something else')
  await client.remove(volume, name)
  return isClosed
}
