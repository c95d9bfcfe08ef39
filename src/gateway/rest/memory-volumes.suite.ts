import { ShoalError } from '#foundation/errors.ts'
import { DEFAULT_TENANT } from '#foundation/ids.ts'
import type { VolumeId } from '#foundation/ids.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { DEFAULT_POLICY } from '#metadata/policy.ts'
import type { VolumeInfo, VolumePolicy } from '#metadata/policy.ts'
import { nodeClock } from '#platform/node-clock.ts'
import type { AskedOptions, FollowOptions, Heard } from '#volume/feed-questions.ts'
import type { Change, Volumes } from '#volume/volume.ts'
import { MemoryVolume } from './memory-volume.suite.ts'

/** Volumes without any promise but the interface, for tests of the doors. Files whose name contains `broken` fail in the
 *  middle of a reading. */
export class MemoryVolumes implements Volumes {
  readonly #volumes = new Map<string, MemoryVolume>()
  readonly #changes: Change[] = []
  readonly #waiting = new Set<() => void>()
  #nextId = 1

  async create(name: string, policy: Partial<VolumePolicy>): Promise<VolumeInfo> {
    if (!/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name))
      throw new ShoalError('INVALID_ARGUMENT', `"${name}" is no name for a volume`)
    if (this.#volumes.has(name)) throw new ShoalError('VOLUME_EXISTS', `There is a volume "${name}" already`)
    const info = {
      id: this.#nextId++ as VolumeId,
      tenant: DEFAULT_TENANT,
      name,
      policy: { ...DEFAULT_POLICY, ...policy },
      usage: { bytes: 0, files: 0 },
      createdNs: nodeClock.nowNs(),
      owner: 'root',
    }
    this.#volumes.set(name, new MemoryVolume(info, (change) => this.#record(name, change)))
    return info
  }

  async list(): Promise<readonly VolumeInfo[]> {
    return [...this.#volumes.values()].map((volume) => volume.info)
  }

  async find(name: string): Promise<VolumeInfo | undefined> {
    return this.#volumes.get(name)?.info
  }

  async update(name: string, changes: Partial<VolumePolicy>): Promise<VolumeInfo> {
    const volume = await this.open(name)
    volume.info = { ...volume.info, policy: { ...volume.info.policy, ...changes } }
    return volume.info
  }

  async remove(name: string, options: { readonly force?: boolean }): Promise<void> {
    const volume = await this.open(name)
    if (volume.size > 0 && options.force !== true) throw new ShoalError('VOLUME_NOT_EMPTY', `The volume "${name}" is not empty`)
    this.#volumes.delete(name)
  }

  open(name: string): Promise<MemoryVolume> {
    const volume = this.#volumes.get(name)
    if (volume === undefined) return Promise.reject(new ShoalError('VOLUME_NOT_FOUND', `There is no volume "${name}"`))
    return Promise.resolve(volume)
  }

  async *changes(options: FollowOptions): AsyncIterableIterator<Change> {
    if (options.cursor === 'old') throw new ShoalError('CURSOR_TOO_OLD', 'The cursor is too old')
    let at = options.cursor === undefined ? this.#changes.length : Number(options.cursor)
    for (;;) {
      const change = this.#changes[at]
      if (change !== undefined) {
        at += 1
        if (options.volume === undefined || options.volume === change.volume) yield change
        continue
      }
      if (options.follow === false || options.signal?.aborted === true) return
      await this.#next(options.signal)
    }
  }

  async *askedChanges(options: AskedOptions): AsyncIterableIterator<Change | Heard> {
    const { questions, ...rest } = options
    questions.onAsk(() => this.#wake())
    let cursor = options.cursor ?? (await this.currentCursor())
    for (let question: number | undefined; options.signal?.aborted !== true;) {
      for await (const change of this.changes({ ...rest, cursor, follow: false })) {
        ;({ cursor } = change)
        yield change
      }
      if (question !== undefined) yield { kind: 'heard', question, quietMs: 0 }
      question = questions.take()
      if (question !== undefined) continue
      if (questions.isOver) return
      await this.#next(options.signal)
    }
  }

  async currentCursor(): Promise<string> {
    return String(this.#changes.length)
  }

  #record(
    volume: string,
    change: { readonly kind: Change['kind']; readonly path: Path; readonly principal: string; readonly attributes?: Attributes },
  ): void {
    this.#changes.push({
      cursor: String(this.#changes.length + 1),
      timeNs: nodeClock.nowNs(),
      kind: change.kind,
      volume,
      principal: change.principal,
      inode: change.attributes?.inode,
      parent: undefined,
      type: change.attributes?.type,
      path: change.path,
      from: undefined,
    })
    this.#wake()
  }

  #next(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((resolve) => {
      this.#waiting.add(resolve)
      signal?.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }
}
