import type { HandedPiece } from '#client/upload.ts'
import { isShoalError } from '#foundation/errors.ts'
import type { Handing } from '#platform/handing.ts'
import type { Random } from '#platform/random.ts'
import type { ContentPiece, JournalPlace } from './content-layer.ts'
import type { PartedFile } from './remote-uploads.ts'

/** What is made of more is sent sooner than named: it was written in small pieces. */
const PIECES_MAX = 256
/** What a node says that hasn't got the files, or takes none. */
const REFUSALS = ['NOT_FOUND', 'INCOMPLETE_BODY', 'INVALID_ARGUMENT', 'METHOD_NOT_ALLOWED', 'UNSUPPORTED'] as const

export interface HandedPartsOptions {
  readonly handing: Handing
  /** Whose nodes are handed files. */
  readonly clusterId: string
  readonly random: Random
}

/** Gives a node of this machine the files of the journal in which the bytes of a part lie, and has it read them: so they go through no
 *  socket, which is a quarter of the processor's time that a long file costs both together. */
export class HandedParts {
  readonly #options: HandedPartsOptions
  /** Where it goes, by what the node has said. */
  readonly #isTaken = new WeakMap<PartedFile, boolean>()

  constructor(options: HandedPartsOptions) {
    this.#options = options
  }

  /** False: the bytes have to be sent. @throws what else the node says, and then it may be storing the part still */
  async take(
    file: PartedFile,
    { number, pieces }: { readonly number: number; readonly pieces: readonly ContentPiece[] },
    pathOf: (place: JournalPlace) => string | undefined,
  ): Promise<boolean> {
    const { handed } = file
    if (handed === undefined || pieces.length > PIECES_MAX || !this.#mayTake(file, handed.folder)) return false
    const names = new Map<string, string>()
    try {
      const named: HandedPiece[] = []
      for (const piece of pieces) {
        const path = piece.kind === 'journal' ? pathOf(piece.place) : undefined
        const name = path === undefined ? undefined : (names.get(path) ?? this.#give(path, handed.folder))
        if (piece.kind !== 'journal' || path === undefined || name === undefined) return this.#isRefused(file)
        names.set(path, name)
        named.push({ file: name, offset: piece.place.position, length: piece.length })
      }
      await handed.take(number, named)
      return true
    } catch (error) {
      if (REFUSALS.some((code) => isShoalError(error, code))) return this.#isRefused(file)
      throw error
    } finally {
      for (const name of names.values()) this.#options.handing.takeBack({ folder: handed.folder, name })
    }
  }

  #mayTake(file: PartedFile, folder: string): boolean {
    const known = this.#isTaken.get(file)
    if (known !== undefined) return known
    const { handing, clusterId } = this.#options
    const isTaken = handing.isTakenAt(folder, clusterId)
    this.#isTaken.set(file, isTaken)
    return isTaken
  }

  #give(path: string, folder: string): string | undefined {
    const { handing, random } = this.#options
    const name = Buffer.from(random.bytes(16)).toString('hex')
    return handing.give(path, { folder, name }) ? name : undefined
  }

  #isRefused(file: PartedFile): false {
    this.#isTaken.set(file, false)
    return false
  }
}
