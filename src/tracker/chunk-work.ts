import { isShoalError } from '#foundation/errors.ts'
import type { ChunkId, NodeId } from '#foundation/ids.ts'
import type { Log } from '#observe/log.ts'
import type { RepairQueue } from '#replication/repair-queue.ts'
import type { Clock } from '#platform/clock.ts'
import { assessCopies } from './assess-copies.ts'
import type { Assessment } from './assess-copies.ts'
import type { ClusterView } from './cluster-view.ts'
import type { CopyHealth, Holders, MemberState } from './ports.ts'
import type { ChunkPlan, Step } from './task-kind.ts'

export interface ChunkWorkOptions {
  readonly holders: Holders
  readonly clock: Clock
  readonly log: Log
  /** Chunks with copies that may be corrupt or missing. */
  readonly reported: RepairQueue
  /** Who is told that a node has no room. */
  readonly full: { note(node: NodeId): void }
}

export interface SurveyRequest {
  readonly id: ChunkId
  readonly classes: readonly string[]
  /** Nodes that are known to have had a copy. */
  readonly nodes: readonly NodeId[]
  /** Read each copy, and ask nodes that may have stood in too. */
  readonly isThorough: boolean
}

export interface Survey extends Assessment {
  readonly sizeBytes: number
  readonly found: ReadonlyMap<NodeId, CopyHealth>
  /** Who was asked and didn't answer, the dead, who weren't asked, left out. */
  readonly silent: number
  readonly dead: number
}

/** From whom a copy is taken first. */
const RANK: Readonly<Record<MemberState, number>> = { alive: 0, full: 0, readonly: 0, draining: 1, silent: 2, dead: 3 }

type CopyResult = 'copied' | 'full' | 'failed'

/** What is done to single chunks. No more is known of them than was asked for just before. */
export class ChunkWork {
  readonly #options: ChunkWorkOptions
  /** Copies that each node is sending. */
  readonly #sending = new Map<NodeId, number>()

  constructor(options: ChunkWorkOptions) {
    this.#options = options
  }

  /** Asks those who shall have the chunk, and those who may. */
  async survey({ id, classes, nodes, isThorough }: SurveyRequest, step: Step): Promise<Survey> {
    const { holders } = this.#options
    const { view, signal } = step
    const wanted = view.wanted(id, classes)
    const further = isThorough ? wanted.spares : []
    const asked = new Set([
      ...wanted.targets,
      ...wanted.substitutes.slice(0, wanted.frozen.size),
      ...wanted.keepers,
      ...nodes,
      ...further,
    ])
    const found = new Map<NodeId, CopyHealth>()
    const living = [...asked].filter((node) => view.stateOf(node) !== 'dead')
    let sizeBytes = 0
    let silent = 0
    await step.pace({ ops: living.length })
    await Promise.all(
      living.map(async (node) => {
        try {
          const info = await holders.locate(node, id, signal)
          found.set(node, info === undefined ? 'missing' : 'intact')
          sizeBytes = Math.max(sizeBytes, info?.sizeBytes ?? 0)
        } catch {
          signal.throwIfAborted()
          silent += 1
        }
      }),
    )
    if (isThorough) await this.#verifyAll({ id, sizeBytes, found }, step)
    return { ...assessCopies({ wanted, found }), found, sizeBytes, silent, dead: asked.size - living.length }
  }

  /** What brings the copies of a chunk to where they belong; `undefined` if they are, or if nothing can be done now. */
  planRestore(request: Pick<SurveyRequest, 'id' | 'classes'>, survey: Survey, step: Step): ChunkPlan | undefined {
    const { id, classes } = request
    if (survey.living.length === 0) {
      if (survey.silent > 0) step.leave(id, 'no copy of a chunk was found among those who answered')
      else this.#reportLost(id, survey, step)
      return undefined
    }
    if (survey.unknown.length > 0) step.leave(id, 'a node that shall have a chunk does not answer')
    if (survey.isStranded) step.leave(id, 'no node that takes copies is left for one')
    if (survey.lacking.length === 0) return undefined
    const isCorrupt = (node: NodeId): boolean => survey.found.get(node) === 'corrupt'
    return {
      id,
      classes,
      sizeBytes: survey.sizeBytes,
      sources: survey.living,
      copyTo: survey.lacking.filter((node) => !isCorrupt(node)),
      replaceAt: survey.lacking.filter(isCorrupt),
      verifyAt: [],
      removeFrom: [],
    }
  }

  /** Makes the copies that a plan asks for. Where there is no room for one, the next substitute gets it. */
  async restore(plan: ChunkPlan, step: Step): Promise<void> {
    const sources = [...plan.sources]
    const taken = new Set([...plan.sources, ...plan.copyTo, ...plan.replaceAt])
    const substitutes = step.view.wanted(plan.id, plan.classes).substitutes.filter((node) => !taken.has(node))
    for (const target of [...plan.copyTo, ...plan.replaceAt]) {
      let to: NodeId | undefined = target
      let result = await this.#copyFromAny(plan, { sources, to }, step)
      while (result === 'full') {
        to = substitutes.shift()
        if (to === undefined) step.leave(plan.id, 'no node has room for a copy')
        result = to === undefined ? 'failed' : await this.#copyFromAny(plan, { sources, to }, step)
      }
      if (result === 'copied' && to !== undefined && plan.replaceAt.includes(to)) {
        await this.#ensureReplaced(plan, { sources, to }, step)
      }
    }
  }

  /** Whether the copy of every node that must have one is intact, read now. */
  async areIntact(plan: ChunkPlan, step: Step): Promise<boolean> {
    const { id, sizeBytes } = plan
    for (const node of plan.verifyAt) {
      const health = await this.verify({ id, node, sizeBytes }, step)
      if (health === 'intact') continue
      step.leave(id, 'a copy that was to stay could not be verified')
      if (health !== undefined) this.#options.reported.offer({ chunk: id, copies: plan.verifyAt.length - 1 })
      return false
    }
    return true
  }

  /** `undefined` if the node doesn't say. */
  async verify(
    { id, node, sizeBytes }: { id: ChunkId; node: NodeId; sizeBytes: number },
    step: Step,
  ): Promise<CopyHealth | undefined> {
    await step.pace({ bytes: sizeBytes, ops: 1 })
    try {
      const health = await this.#options.holders.verify(node, id, step.signal)
      step.count({ verified: 1, verifiedBytes: sizeBytes, corrupt: health === 'corrupt' ? 1 : 0 })
      if (health === 'corrupt') this.#options.log.warn('a copy is corrupt', { chunk: id, node })
      return health
    } catch (error) {
      step.signal.throwIfAborted()
      this.#options.log.debug('a copy could not be verified', { chunk: id, node, error })
      return undefined
    }
  }

  /** Removes copies that were not touched since. The caller has made sure that they may go. */
  async remove(plan: ChunkPlan, untouchedSinceMs: number, step: Step): Promise<void> {
    for (const node of plan.removeFrom) {
      await step.pace({ ops: 1 })
      await step.fence()
      try {
        const isGone = await this.#options.holders.remove(node, plan.id, { untouchedSinceMs, signal: step.signal })
        if (isGone) step.count({ removed: 1, removedBytes: plan.sizeBytes })
      } catch (error) {
        step.signal.throwIfAborted()
        step.leave(plan.id, 'a copy could not be removed', error)
      }
    }
  }

  async #verifyAll(
    { id, sizeBytes, found }: { id: ChunkId; sizeBytes: number; found: Map<NodeId, CopyHealth> },
    step: Step,
  ): Promise<void> {
    for (const [node, health] of found) {
      if (health !== 'intact') continue
      const verified = await this.verify({ id, node, sizeBytes }, step)
      if (verified === undefined) found.delete(node)
      else found.set(node, verified)
    }
  }

  /** Takes sources that turn out to have no intact copy off the list. */
  async #copyFromAny(plan: ChunkPlan, { sources, to }: { sources: NodeId[]; to: NodeId }, step: Step): Promise<CopyResult> {
    const { id, sizeBytes } = plan
    for (let from = this.#best(sources, step.view); from !== undefined; from = this.#best(sources, step.view)) {
      await step.pace({ bytes: sizeBytes, ops: 1 })
      this.#sending.set(from, (this.#sending.get(from) ?? 0) + 1)
      try {
        if (await this.#options.holders.copy(id, { from, to, sizeBytes, signal: step.signal })) {
          step.count({ copies: 1, copiedBytes: sizeBytes })
          return 'copied'
        }
        sources.splice(sources.indexOf(from), 1)
        this.#options.reported.offer({ chunk: id, copies: sources.length })
      } catch (error) {
        step.signal.throwIfAborted()
        if (isShoalError(error, 'NO_SPACE')) {
          this.#options.full.note(to)
          this.#options.log.warn('a node has no room for a copy', { chunk: id, node: to })
          return 'full'
        }
        step.leave(id, 'a copy could not be written', error)
        return 'failed'
      } finally {
        this.#sending.set(from, (this.#sending.get(from) ?? 1) - 1)
      }
    }
    step.leave(id, 'no copy of a chunk could be read')
    return 'failed'
  }

  /** A store may take a chunk that it has for a good one, and keep it: then it goes first. Another copy was read just before. */
  async #ensureReplaced(plan: ChunkPlan, { sources, to }: { sources: NodeId[]; to: NodeId }, step: Step): Promise<void> {
    const { id, sizeBytes } = plan
    if ((await this.verify({ id, node: to, sizeBytes }, step)) !== 'corrupt') return
    const now = this.#options.clock.nowMs()
    await this.remove({ ...plan, removeFrom: [to] }, now + 1, step)
    await this.#copyFromAny(plan, { sources, to }, step)
  }

  #best(sources: readonly NodeId[], view: ClusterView): NodeId | undefined {
    const cost = (node: NodeId): number => RANK[view.stateOf(node)] * 1_000 + (this.#sending.get(node) ?? 0)
    return sources.reduce<NodeId | undefined>(
      (best, node) => (best === undefined || cost(node) < cost(best) ? node : best),
      undefined,
    )
  }

  /** Copies that are corrupt stay: there may be something in them yet. */
  #reportLost(id: ChunkId, { dead, found }: Survey, step: Step): void {
    step.count({ lost: 1 })
    const corrupt = [...found].filter(([, health]) => health === 'corrupt').map(([node]) => node)
    this.#options.log.error('no intact copy of a chunk is left', { chunk: id, corrupt, deadNodes: dead })
  }
}
