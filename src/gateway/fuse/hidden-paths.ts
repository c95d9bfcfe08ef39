import { encodeName } from '#foundation/name.ts'
import type { Path } from '#foundation/path.ts'
import type { Random } from '#platform/random.ts'
import { HIDDEN_PREFIX } from '#volume/hidden-names.ts'
import { type MountedNode, ROOT_NODE } from './inode-table.ts'
import { refusal } from './protocol/errno.ts'

export interface HiddenPathsOptions {
  readonly random: Random
  /** 32 hexadecimal characters, by which what a mount leaves behind is known. */
  readonly mountId?: string
}

/** Where in a volume lies what a mount keeps for those who have it open, and shows nobody else. */
export class HiddenPaths {
  readonly #random: Random
  readonly #prefix: string

  constructor({ random, mountId }: HiddenPathsOptions) {
    this.#random = random
    this.#prefix = mountId === undefined ? HIDDEN_PREFIX : `${HIDDEN_PREFIX}${mountId}-`
  }

  /** Whether a name, of this mount or another, isn't shown. */
  has(parent: MountedNode, name: string): boolean {
    return parent.nodeId === ROOT_NODE && name.startsWith(HIDDEN_PREFIX)
  }

  /** For what has no name yet (O_TMPFILE): it goes with the last handle as well. */
  nameless(): Path {
    return [`${this.#prefix}new-${this.#random.bytes(12).toString('hex')}`]
  }

  /** For what is removed while it is open. */
  removed({ inode }: MountedNode): Path {
    return [`${this.#prefix}${inode.toString(16)}-${this.#random.bytes(6).toString('hex')}`]
  }
}

/** @throws FuseError ENAMETOOLONG */
export function checkLength(name: string): void {
  // A UTF-16 unit is three bytes at most.
  if (name.length * 3 > 255 && encodeName(name).length > 255) throw refusal('ENAMETOOLONG')
}
