// Kills a mount that writes back in the midst of its work, and looks what is there: what close had answered after the next mount,
// what fsync had answered in the cluster at once.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { ShoalClient } from '../../src/client/shoal-client.ts'
import { nodeClock } from '../../src/platform/node-clock.ts'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, startNodeProcess } from '../support/node-process.ts'

const LOAD = fileURLToPath(new URL('./mount-load.child.ts', import.meta.url))

interface Step {
  readonly kind: string
  readonly path: string
  readonly to?: string
  readonly text?: string
}

export interface KillFacts {
  readonly changes: number
  /** Of these what fsync had answered was looked for in the cluster. */
  readonly synced: number
}

export interface KillBench {
  readonly mounted: MountedNode
  readonly client: ShoalClient
  readonly volume: string
  /** With the node's data folder, `data`. */
  readonly folder: string
}

/** A node and a directory on which its volume is mounted, until the test is over. */
export async function openKillBench(t: TestContext): Promise<KillBench> {
  const folder = mkdtempSync(join(tmpdir(), 'shoal-mount-kills-'))
  const volume = 'killed'
  const node = await startNodeProcess({ data: join(folder, 'data'), port: await freePort() })
  const client = connect(node.origin)
  await client.createVolume(volume)
  const mounted = new MountedNode({ endpoint: node.origin, volume, state: folder })
  t.after(async () => {
    await mounted.remove()
    await client.close()
    await node.stop()
    rmSync(folder, { recursive: true, force: true })
  })
  return { mounted, client, volume, folder }
}

/** One round. `model` is what there is; the change that was under way may have happened or not, and is taken into it. */
export async function killRound(
  { mounted, client, volume }: KillBench,
  model: Map<string, string>,
  { seed, afterMs }: { readonly seed: number; readonly afterMs: number },
): Promise<KillFacts> {
  await mounted.mount()
  const load = spawn(process.execPath, [LOAD, mounted.directory, String(seed)], { stdio: ['ignore', 'pipe', 'ignore'] })
  const printed = text(load.stdout)
  await Promise.race([nodeClock.sleep(afterMs), once(load, 'exit')])
  await mounted.kill()
  if (load.exitCode === null) await once(load, 'exit')
  const { open, synced, changes } = replay(await printed, model)
  for (const path of synced) {
    const { bytes } = await client.readSmallFile(volume, path)
    assert.equal(bytes.toString(), model.get(path), `fsync had answered for ${path}`)
  }
  await mounted.mount()
  const touched = open === undefined ? [] : [open.path, ...(open.to === undefined ? [] : [open.to])]
  for (const path of touched) take(model, path, { open: open as Step, directory: mounted.directory })
  for (const [path, expected] of model)
    assert.equal(readFileSync(join(mounted.directory, path), 'utf8'), expected, `close had answered for ${path}`)
  const names = (await mounted.sh('find . -type f')).split('\n').filter((name) => name !== '')
  assert.deepEqual(names.map((name) => name.slice(2)).toSorted(), [...model.keys()].toSorted())
  await mounted.unmount()
  const stored: string[] = []
  for await (const { path, type } of client.list(volume, '', { recursive: true })) if (type === 'file') stored.push(path)
  assert.deepEqual(stored.toSorted(), [...model.keys()].toSorted())
  for (const path of touched) {
    const expected = model.get(path)
    if (expected !== undefined) assert.equal((await client.readSmallFile(volume, path)).bytes.toString(), expected)
  }
  return { changes, synced: synced.size }
}

function replay(
  printed: string,
  model: Map<string, string>,
): { readonly open: Step | undefined; readonly synced: ReadonlySet<string>; readonly changes: number } {
  let open: Step | undefined
  let changes = 0
  const synced = new Set<string>()
  for (const line of printed.split('\n').filter((one) => one.endsWith('}'))) {
    const { begin, done } = JSON.parse(line) as { begin?: Step; done?: true }
    if (begin !== undefined) {
      open = begin
      for (const path of [begin.path, begin.to]) if (path !== undefined) synced.delete(path)
    }
    if (done !== true || open === undefined) continue
    changes += 1
    apply(open, model)
    if (open.kind === 'append and sync') synced.add(open.path)
    open = undefined
  }
  return { open, synced, changes }
}

function apply({ kind, path, to, text: written = '' }: Step, model: Map<string, string>): void {
  const there = model.get(path)
  if (kind === 'write') model.set(path, written)
  else if (kind === 'remove') model.delete(path)
  else if (kind === 'rename' && to !== undefined && there !== undefined) {
    model.delete(path)
    model.set(to, there)
  } else model.set(path, (there ?? '') + written)
}

/** What the change that was under way has left: what was before, all of it, or the part that had been written. */
function take(
  model: Map<string, string>,
  path: string,
  { open, directory }: { readonly open: Step; readonly directory: string },
): void {
  const at = join(directory, path)
  const before = model.get(path)
  const there = existsSync(at) ? readFileSync(at, 'utf8') : undefined
  const after = new Map(model)
  apply(open, after)
  const whole = after.get(path)
  const isPart = there !== undefined && whole?.startsWith(there) === true
  assert.ok(there === before || there === whole || isPart, `What was under way has left ${path} as nobody made it`)
  if (there === undefined) model.delete(path)
  else model.set(path, there)
}
