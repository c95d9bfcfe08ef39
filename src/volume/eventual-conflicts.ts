import { type Dot, formatDot, parseDot, type Version } from '#eventual/entry.ts'
import { msOf } from '#eventual/hybrid-clock.ts'
import type { EventualNamespace } from '#eventual/namespace.ts'
import { ShoalError } from '#foundation/errors.ts'
import { keyOfPath, pathOfKey } from '#foundation/object-key.ts'
import type { Path } from '#foundation/path.ts'
import type { Attributes } from '#metadata/attributes.ts'
import { attributesOf } from './eventual-attributes.ts'
import { notFound } from './eventual-faults.ts'
import type { ConflictInfo, Conflicts, VersionInfo } from './volume.ts'

/** The conflicts of one volume, as this node knows of them. */
export class EventualConflicts implements Conflicts {
  readonly #namespace: EventualNamespace

  constructor(namespace: EventualNamespace) {
    this.#namespace = namespace
  }

  async list(options: { prefix?: string; cursor?: string }): Promise<{ conflicts: ConflictInfo[]; next: string | undefined }> {
    const { conflicts, next } = await this.#namespace.conflicts(options)
    return {
      conflicts: conflicts.map(({ path, versions }) => ({
        path: pathOfKey(path),
        versions: versions.map((version) => this.#describe(path, version)),
      })),
      next,
    }
  }

  async show(path: Path): Promise<VersionInfo[]> {
    const key = keyOfPath(path)
    return (await this.#namespace.versions(key)).map((version) => this.#describe(key, version))
  }

  async restore(path: Path, id: string): Promise<Attributes> {
    const key = keyOfPath(path)
    const { version } = await this.#namespace.restore(key, dotOf(id))
    const { value } = version
    if (value === undefined) throw notFound(path)
    return attributesOf(this.#namespace.volume, { path: key, version, value })
  }

  async drop(path: Path, id: string): Promise<void> {
    await this.#namespace.drop(keyOfPath(path), dotOf(id))
  }

  #describe(path: string, version: Version): VersionInfo {
    const { time, node, value } = version
    const attributes = value === undefined ? undefined : attributesOf(this.#namespace.volume, { path, version, value })
    return { id: formatDot(version), timeNs: BigInt(msOf(time)) * 1_000_000n, node, attributes }
  }
}

function dotOf(id: string): Dot {
  const dot = parseDot(id)
  if (dot === undefined)
    throw new ShoalError('INVALID_ARGUMENT', `"${id}" is not the id of a version: the list of conflicts has them`, {
      details: { field: 'version' },
    })
  return dot
}
