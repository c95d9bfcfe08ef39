import { isShoalError } from '#foundation/errors.ts'
import type { AppendFile, AppendFiles } from '#platform/append-files.ts'
import { storing } from './journal-frames.ts'

/** Enough to say of some hundred thousand changes that they are sent or settled, by which a segment goes, which has 32 times as much. */
const RESERVE_BYTES = 1024 * 1024

export interface JournalRoomOptions {
  readonly files: AppendFiles
  /** Where the reserve lies: on the disk of the journal. */
  readonly path: string
  /** Gives up something of the disk that can be had again; whether there was something. */
  readonly makeRoom?: (() => boolean) | undefined
}

/** The room of a journal on a disk that fills up. Who can be done without gives way first; and what makes room in the end, by which the
 *  journal gets shorter, has a reserve: else a journal that has filled its disk could never be sent. */
export class JournalRoom {
  readonly #options: JournalRoomOptions
  readonly #reserve: AppendFile

  constructor(options: JournalRoomOptions) {
    this.#options = options
    this.#reserve = storing('open the journal', () => options.files.open(options.path))
    this.refill()
  }

  /** @throws NO_SPACE, STORAGE_FAILED */
  write<T>(doing: string, call: () => T): T {
    for (;;) {
      try {
        return storing(doing, call)
      } catch (error) {
        if (!isShoalError(error, 'NO_SPACE') || this.#options.makeRoom?.() !== true) throw error
      }
    }
  }

  /** What makes room sooner or later. @throws NO_SPACE, STORAGE_FAILED */
  writeOfReserve<T>(doing: string, call: () => T): T {
    try {
      return this.write(doing, call)
    } catch (error) {
      if (!isShoalError(error, 'NO_SPACE') || this.#reserve.sizeBytes === 0) throw error
      this.#reserve.cut(0)
      return storing(doing, call)
    }
  }

  /** Where it was used, and there is room again. */
  refill(): void {
    if (this.#reserve.sizeBytes >= RESERVE_BYTES) return
    try {
      this.#reserve.append([Buffer.alloc(RESERVE_BYTES - this.#reserve.sizeBytes)])
    } catch {
      // There is none yet.
    }
  }

  /** Once. */
  close(): void {
    this.#reserve.close()
  }
}
