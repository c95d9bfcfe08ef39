import { ShoalError } from '#foundation/errors.ts'
import type { Path } from '#foundation/path.ts'
import { type Attributes, entityTag } from '#metadata/attributes.ts'
import { EventualVolume } from './eventual-volume.ts'
import type { GuardedVolume, Locks, LockTaken, WriteGuard } from './locks.ts'
import type { BodyStream, Volume, WriteOptions, WriteResult } from './volume.ts'

/** An eventual volume for a door that guards its changes. Nobody can lock anything there: another node would not know of it. What a guard
 *  says of entity tags is judged right before the change. */
export class GuardedEventualVolume extends EventualVolume implements GuardedVolume {
  readonly locks: Locks = new NoLocks(this)

  override async writeFile(path: Path, body: BodyStream | Buffer, options: WriteOptions): Promise<WriteResult> {
    await this.#check(options)
    return super.writeFile(path, body, options)
  }

  override async makeDirectory(path: Path, options: Parameters<Volume['makeDirectory']>[1]): Promise<Attributes> {
    await this.#check(options)
    return super.makeDirectory(path, options)
  }

  override async rename(source: Path, target: Path, options: Parameters<Volume['rename']>[2]): Promise<Attributes> {
    await this.#check(options)
    return super.rename(source, target, options)
  }

  override async copy(source: Path, target: Path, options: Parameters<Volume['copy']>[2]): Promise<Attributes> {
    await this.#check(options)
    return super.copy(source, target, options)
  }

  override async remove(path: Path, options: Parameters<Volume['remove']>[1]): Promise<void> {
    await this.#check(options)
    return super.remove(path, options)
  }

  /** First the extended attribute, then the others. */
  async updateXattr(path: Path, name: string, options: Parameters<GuardedVolume['updateXattr']>[2]): Promise<Attributes> {
    await this.#check(options)
    const attributes = await this.stat(path)
    if (attributes === undefined) throw new ShoalError('NOT_FOUND', 'There is nothing by that name on this node')
    const before = await this.readXattr(path, name)
    const { value, attributes: changes = {} } = options.update(before, attributes)
    if (value !== undefined) await this.writeXattr(path, { name, value })
    else if (before !== undefined) await this.removeXattr(path, name)
    return Object.keys(changes).length === 0 ? ((await this.stat(path)) ?? attributes) : this.setAttributes(path, changes)
  }

  async #check({ guard }: { readonly guard?: WriteGuard }): Promise<void> {
    if (guard !== undefined) await checkConditions(this, guard)
  }
}

class NoLocks implements Locks {
  readonly #volume: Pick<Volume, 'stat'>

  constructor(volume: Pick<Volume, 'stat'>) {
    this.#volume = volume
  }

  check(_effects: unknown, { guard }: { readonly guard: WriteGuard }): Promise<void> {
    return checkConditions(this.#volume, guard)
  }

  async find(): Promise<{ covering: []; below: [] }> {
    return { covering: [], below: [] }
  }

  async take(): Promise<LockTaken> {
    throw new ShoalError(
      'UNSUPPORTED',
      'An eventual volume has no locks: each node takes writes without asking the others, and so could not keep to them',
    )
  }

  async refresh(): Promise<never> {
    throw new ShoalError('PRECONDITION_FAILED', 'An eventual volume has no locks, so there is none to be refreshed')
  }

  async giveUp(): Promise<never> {
    throw new ShoalError('CONFLICT', 'An eventual volume has no locks, so there is none to be given up')
  }
}

/** @throws PRECONDITION_FAILED if none of the lists holds */
async function checkConditions(volume: Pick<Volume, 'stat'>, { lists }: WriteGuard): Promise<void> {
  if (lists.length === 0) return
  for (const { path, terms } of lists) {
    const found = path === undefined ? undefined : await volume.stat(path)
    const tag = found === undefined ? undefined : entityTag(found)
    if (terms.every(({ kind, value, isNegated }) => (kind === 'etag' && tag === value) !== isNegated)) return
  }
  throw new ShoalError(
    'PRECONDITION_FAILED',
    'No list of the If header holds: there are no locks here, or the entity tags are others by now',
  )
}
