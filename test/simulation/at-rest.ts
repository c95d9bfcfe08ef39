import type { ChunkId } from '#foundation/ids.ts'
import { parsePath } from '#foundation/path.ts'
import { layoutName, classOf } from '#system/system-view.ts'
import type { Volume } from '#volume/volume.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { VOLUME } from './steps.ts'

/** What is not yet as it has to be once nothing goes wrong any more: each chunk that files refer to lies at the nodes that the layouts of its classes name,
 *  whole, and nowhere else; and no node has anything besides. Empty once all is well.
 *  @throws what the leader says while it can't answer */
export async function unrest(
  nodes: readonly SimulatedNode[],
): Promise<{ readonly left: readonly string[]; readonly chunks: number }> {
  const leader = nodes.find((node) => node.leads !== undefined)?.leads
  if (leader === undefined) return { left: ['nobody leads'], chunks: 0 }
  const { view } = leader.chunks.records
  const left: string[] = []
  for (const [name, pair] of view.layouts) if (pair.isChanging) left.push(`the layout ${name} changes`)
  const volume = await leader.volumes.open(VOLUME)
  const wanted = await wantedChunks(volume)
  const missing = new Set<string>()
  const placed: (() => Promise<void>)[] = []
  const referenced = await leader.volumes.referenced([...wanted])
  for (const chunk of wanted) {
    const classes = referenced.get(chunk) ?? []
    // What is used twice keeps the classes that it had, too.
    if (!classes.includes(volume.info.policy.class))
      left.push(`${chunk} is of the classes ${classes.join()}, without the volume's`)
    for (const name of classes) {
      const holders = view.layouts.get(layoutName(classOf(view, name)))?.next.holders(chunk)
      if (holders === undefined) left.push(`the class ${name} has no layout`)
      for (const holder of holders ?? []) missing.add(`${holder} ${chunk}`)
    }
  }
  for (const { id, host, life } of nodes) {
    if (life === undefined) continue
    for await (const { id: chunk } of life.disk.list()) {
      if (missing.delete(`${id} ${chunk}`))
        placed.push(async () => {
          if ((await life.disk.verify(chunk)) !== 'intact') left.push(`the copy of ${chunk} at ${host} is not intact`)
        })
      else left.push(`${host} has ${chunk}, which doesn't belong there`)
    }
  }
  for (const copy of missing) left.push(`there is no copy where one belongs: ${copy}`)
  // To read all of it pays only then.
  if (left.length === 0) for (const verify of placed) await verify()
  return { left, chunks: wanted.size }
}

async function wantedChunks(volume: Pick<Volume, 'list' | 'locate'>): Promise<Set<ChunkId>> {
  const wanted = new Set<ChunkId>()
  const { entries } = await volume.list(parsePath(''), { recursive: true })
  for (const { path, attributes } of entries) {
    if (attributes.type !== 'file') continue
    const located = await volume.locate(path)
    for (const { chunk } of located?.extents ?? []) if (chunk !== undefined) wanted.add(chunk)
  }
  return wanted
}
