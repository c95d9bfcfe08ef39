// Locks of mounts as the REST interface sees them: whole files, one lock each. Only tests import it.
import { ShoalError } from '#foundation/errors.ts'
import type { InodeId } from '#foundation/ids.ts'
import type { Attributes } from '#metadata/attributes.ts'
import type { FileLock, FileLockAnswer, FileLockChange, FileLocks } from '#volume/file-locks.ts'

export class MemoryFileLocks implements FileLocks {
  readonly #sessions = new Set<string>()
  readonly #locks = new Map<InodeId, FileLock>()
  readonly #attributesOf: (inode: InodeId) => Attributes

  constructor(attributesOf: (inode: InodeId) => Attributes) {
    this.#attributesOf = attributesOf
  }

  async begin({ leaseMs }: { readonly leaseMs: number }): Promise<{ session: string; leaseMs: number }> {
    const session = String(this.#sessions.size + 1).padStart(32, '0')
    this.#sessions.add(session)
    return { session, leaseMs }
  }

  async renew(session: string): Promise<void> {
    this.#require(session)
  }

  async end(session: string): Promise<void> {
    this.#sessions.delete(session)
    for (const [inode, lock] of this.#locks) if (lock.session === session) this.#locks.delete(inode)
  }

  async find(asked: { readonly session: string; readonly inode: InodeId }): Promise<FileLock | undefined> {
    this.#require(asked.session)
    const lock = this.#locks.get(asked.inode)
    return lock?.session === asked.session ? undefined : lock
  }

  async change(change: FileLockChange, _: unknown, wait?: unknown): Promise<FileLockAnswer> {
    const by = await this.find(change)
    const { kind } = change
    if (by !== undefined && kind !== 'unlock') return wait === undefined ? { state: 'held', by } : { state: 'waiting' }
    if (kind === 'unlock') this.#locks.delete(change.inode)
    else this.#locks.set(change.inode, { ...change, kind })
    return { state: 'done', attributes: this.#attributesOf(change.inode) }
  }

  async cancel(change: FileLockChange): Promise<boolean> {
    this.#require(change.session)
    return this.#locks.get(change.inode)?.session === change.session
  }

  #require(session: string): void {
    if (!this.#sessions.has(session)) throw new ShoalError('PRECONDITION_FAILED', 'The session has ended')
  }
}
