// What may happen to nodes that take writes of an eventual volume, each of them a process of its own. Every scenario ends with a comparison of
// the whole namespace on all nodes, names and contents, and with a look for each write that was acknowledged.

import assert from 'node:assert/strict'
import { rm } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3'
import type { SeededRandom } from '#platform/seeded-random.ts'
import { type EventualNodes, until } from '../support/eventual-nodes.ts'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

export type Say = (line: string) => void

const AGREE_MS = 120_000
/** Every tenth file has a chunk of its own. */
const LARGE_BYTES = 20_000

export async function makeVolume(cluster: EventualNodes): Promise<void> {
  const made = await cluster.call(0, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  assert.equal(made.status, 201, await made.text())
  // What a node hasn't heard of it sends on to the one that leads, and could not once that is cut off.
  const known = async (at: number): Promise<number> =>
    ((await (await cluster.call(at, '/status')).json()) as { eventual: { volumes: number } }).eventual.volumes
  for (const at of cluster.nodes.keys()) await until(`node ${at} knows the volume`, async () => (await known(at)) === 1, 60_000)
}

/** Writes at random nodes, each path by one writer at a time, and remembers what was acknowledged. */
export class Writers {
  readonly #cluster: EventualNodes
  readonly #random: SeededRandom
  /** By path; `undefined` once it was removed. */
  readonly last = new Map<string, string | undefined>()
  acknowledged = 0
  #count = 0

  constructor(cluster: EventualNodes, random: SeededRandom) {
    this.#cluster = cluster
    this.#random = random
  }

  pick(count: number): number {
    return Math.floor(this.#random.fraction() * count)
  }

  /** A path that was never written before, at one of `nodes`. @returns the path */
  async write(nodes: readonly number[]): Promise<string> {
    const at = nodes[this.pick(nodes.length)] as number
    const path = `own/${this.#count % 7}/${(this.#count += 1)}`
    const text = this.#count % 10 === 0 ? `${path} `.repeat(LARGE_BYTES / 10) : `content of ${path}`
    await this.#cluster.put(at, path, text)
    this.#note(path, text)
    return path
  }

  /** Removes what one of `nodes` has, once it has heard of it. */
  async remove(nodes: readonly number[], path: string): Promise<void> {
    const at = nodes[this.pick(nodes.length)] as number
    const text = this.last.get(path)
    await until(`node ${at} has heard of ${path}`, async () => (await this.#cluster.text(at, path)) === text, AGREE_MS)
    await this.#remove(at, path)
  }

  /** Replaces or removes what this node has: it knows of the version that it replaces. */
  async change(at: number): Promise<void> {
    const paths = [...this.last.keys()].filter((path) => this.last.get(path) !== undefined)
    const path = paths[this.pick(paths.length)]
    if (path === undefined || (await this.#cluster.text(at, path)) !== this.last.get(path)) return
    if (this.pick(3) > 0) {
      const text = `changed ${(this.#count += 1)}`
      await this.#cluster.put(at, path, text)
      this.#note(path, text)
      return
    }
    await this.#remove(at, path)
  }

  async #remove(at: number, path: string): Promise<void> {
    const answer = await this.#cluster.call(at, `/volumes/shared/files/${path}`, { method: 'DELETE' })
    assert.equal(answer.status, 204)
    this.#note(path, undefined)
  }

  #note(path: string, text: string | undefined): void {
    this.last.set(path, text)
    this.acknowledged += 1
  }

  /** Every node has the last that was acknowledged of each path, and nothing that was removed. */
  async check(): Promise<void> {
    for (const [path, text] of this.last) {
      const at = this.pick(this.#cluster.nodes.length)
      assert.equal(await this.#cluster.text(at, path), text, `node ${at} has ${path} as it was acknowledged`)
    }
  }
}

/** Writes on random nodes until there are so many, then quiet. */
export async function runWrites(
  cluster: EventualNodes,
  writers: Writers,
  { count, say }: { count: number; say: Say },
): Promise<void> {
  const all = [...cluster.nodes.keys()]
  for (let done = 0; done < count; done += 10) {
    await Promise.all(Array.from({ length: 8 }, () => writers.write(all)))
    await writers.change(writers.pick(all.length))
  }
  const beganMs = performance.now()
  const namesMs = await cluster.agree(AGREE_MS)
  say(
    `${writers.acknowledged} acknowledged writes; all ${all.length} nodes are the same ${spanOf(beganMs, namesMs)} after the last`,
  )
  await writers.check()
}

/** One node after another is killed in the middle of everything, and comes back. */
export async function runKills(
  cluster: EventualNodes,
  writers: Writers,
  { forMs, say }: { forMs: number; say: Say },
): Promise<void> {
  const all = [...cluster.nodes.keys()]
  let kills = 0
  for (const endMs = performance.now() + forMs; performance.now() < endMs;) {
    const victim = writers.pick(all.length)
    const others = all.filter((at) => at !== victim)
    await Promise.all(Array.from({ length: 12 }, () => writers.write(others)))
    // It is killed while it hears of them, and others compare what they have with it.
    await Promise.all([cluster.nodes[victim]?.kill(), writers.change(others[writers.pick(others.length)] as number)])
    kills += 1
    await Promise.all(Array.from({ length: 6 }, () => writers.write(others)))
    await cluster.start(victim)
  }
  await cluster.agree(AGREE_MS)
  await writers.check()
  say(`${kills} kills, ${writers.acknowledged} acknowledged writes: all nodes are the same, and nothing is lost or back`)
}

/** A node that has lost its disk is removed, and joins anew with an empty one. */
export async function runWipe(cluster: EventualNodes, writers: Writers, say: Say): Promise<void> {
  const at = cluster.nodes.length - 1
  const { nodeId } = (await (await cluster.call(at, '/status')).json()) as { nodeId: string }
  await cluster.agree(AGREE_MS)
  await cluster.nodes[at]?.kill()
  await rm(cluster.dataOf(at), { recursive: true })
  const removed = await cluster.call(0, `/nodes/${nodeId}/remove?force`, { method: 'POST' })
  assert.ok(removed.ok, `${removed.status} ${await removed.text()}`)
  await cluster.join(at, await cluster.token(1))
  const beganMs = performance.now()
  const namesMs = await cluster.agree(AGREE_MS)
  await writers.check()
  say(`a node that was wiped has everything again ${spanOf(beganMs, namesMs)} after it joined anew`)
}

/** How long names took, and until all contents had been read everywhere and compared. */
function spanOf(beganMs: number, namesMs: number): string {
  return `${Math.round(namesMs)} ms (contents read and compared: ${Math.round(performance.now() - beganMs)} ms)`
}

export interface Cuts {
  split(groups: readonly (readonly number[])[]): Promise<void>
  heal(): Promise<void>
}

/** Each side writes the same paths, and paths of its own, while they don't reach each other. */
export async function runPartition(
  cluster: EventualNodes,
  cuts: Cuts,
  { groups, forMs, name, say }: { groups: readonly (readonly number[])[]; forMs: number; name: string; say: Say },
): Promise<void> {
  const contested = Array.from({ length: 5 }, (_, at) => `${name}/contested-${at}`)
  await cluster.put(0, `${name}/before`, 'before')
  await cluster.agree(AGREE_MS)
  await cuts.split(groups)
  const last = groups.map(() => new Map<string, string>())
  const own = new Map<string, string>()
  let writes = 0
  const side = async (group: number): Promise<void> => {
    const nodes = groups[group] as readonly number[]
    for (const endMs = performance.now() + forMs; performance.now() < endMs; await delay(50)) {
      const number = (writes += 1)
      const text = `${name} side ${group} write ${number}`
      const path = contested[number % contested.length] as string
      // Of one path always the same node, so that a side has no conflicts of its own.
      await cluster.put(nodes[0] as number, path, text)
      last[group]?.set(path, text)
      await cluster.put(nodes[number % nodes.length] as number, `${name}/own/${number}`, text)
      own.set(`${name}/own/${number}`, text)
    }
  }
  await Promise.all(groups.map((_, group) => side(group)))
  await cuts.heal()
  const beganMs = performance.now()
  const namesMs = await cluster.agree(AGREE_MS)
  say(
    `${name}: ${writes} rounds of writes on ${groups.length} sides; the same everywhere ${spanOf(beganMs, namesMs)} after healing`,
  )
  for (const [path, text] of own) assert.equal(await cluster.text(0, path), text, `${path}, which one side has written`)
  for (const path of contested) await checkContested(cluster, path, new Set(last.map((of) => of.get(path))))
}

interface Conflict {
  readonly path: string
  readonly versions: readonly { readonly id: string }[]
}

/** What each side wrote last is there, one of them is shown, and each other one can be restored. */
async function checkContested(cluster: EventualNodes, path: string, expected: ReadonlySet<string | undefined>): Promise<void> {
  const wanted = new Set([...expected].filter((text) => text !== undefined))
  const at = cluster.nodes.length - 1
  const show = async (): Promise<Conflict> =>
    (await (await cluster.call(at, `/volumes/shared/conflicts/${path}`)).json()) as Conflict
  const { versions } = await show()
  assert.equal(versions.length, wanted.size, `${path} has a version of each side`)
  const seen = new Set([await cluster.text(at, path)])
  for (const { id } of versions.slice(1)) seen.add(await contentOf(cluster, { at, path, id }))
  assert.deepEqual(seen, wanted, path)
  const [, lost] = versions
  if (lost === undefined) return
  const text = await contentOf(cluster, { at, path, id: lost.id })
  const answer = await cluster.call(at, `/volumes/shared/conflicts/${path}`, {
    method: 'POST',
    body: JSON.stringify({ op: 'restore', version: lost.id }),
  })
  assert.ok(answer.ok, `${answer.status} ${await answer.text()}`)
  for (const each of cluster.nodes.keys())
    await until(`node ${each} shows what was restored`, async () => (await cluster.text(each, path)) === text, AGREE_MS)
}

/** Of a version that lost: S3 reads it by its id. */
async function contentOf(cluster: EventualNodes, { at, path, id }: { at: number; path: string; id: string }): Promise<string> {
  const { origin, port } = cluster.nodes[at] as (typeof cluster.nodes)[0]
  const client = new S3Client({
    endpoint: `http://${new URL(origin).hostname}:${port + 1}`,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  })
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: 'shared', Key: path, VersionId: id }))
    return (await Body?.transformToString()) ?? ''
  } finally {
    client.destroy()
  }
}

/** Whoever has seen a version and writes over it is believed, however wrong its clock is. */
export async function runClocks(cluster: EventualNodes, say: Say): Promise<void> {
  const all = [...cluster.nodes.keys()]
  let text = 'first'
  await cluster.put(0, 'passed-on', text)
  for (const from of all) {
    for (const to of all) {
      if (from === to) continue
      const known = text
      await until(`node ${to} has what was written last`, async () => (await cluster.text(to, 'passed-on')) === known, AGREE_MS)
      text = `${known.slice(-40)} then ${to}`
      await cluster.put(to, 'passed-on', text)
    }
  }
  const last = text
  await cluster.agree(AGREE_MS)
  for (const at of all) assert.equal(await cluster.text(at, 'passed-on'), last)
  // The same path everywhere at once: conflicts, which everybody sees the same.
  await Promise.all(all.map((at) => cluster.put(at, 'at-once', `of node ${at}`)))
  await cluster.agree(AGREE_MS)
  const { conflicts } = (await (await cluster.call(0, '/volumes/shared/conflicts')).json()) as { conflicts: Conflict[] }
  assert.ok(
    conflicts.every(({ path }) => path === 'at-once'),
    'who knew what it replaced has no conflict',
  )
  say(`${all.length} nodes with clocks up to two hours apart agree, and nobody's write over a known one is hidden`)
}
