import { ShoalError } from '#foundation/errors.ts'
import { MemoryBase, MemoryDisk } from '#kv/memory.ts'
import type { Clock } from '#platform/clock.ts'
import { faultyFiles } from '#platform/faulty-files.ts'
import type { Fault, FaultyOperation } from '#platform/faulty-files.ts'
import type { Files } from '#platform/files.ts'
import { MemoryFiles } from '#platform/memory-files.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { forgetfulFiles } from './forgetful-files.ts'
import type { ProcessPorts } from './process-ports.ts'
import { slowFiles } from './slow-files.ts'

const CAPACITY_BYTES = 64 * 1024 * 1024
/** Nothing shorter is worth a bit flip, and what stands before it is the head of a file, without which nobody knows what it is. */
const HEAD_BYTES = 200
const DAMAGED_BYTES_MIN = 1_000
/** How long it takes to make a change of the metadata durable on a disk that is well. */
const COMMIT_MS_MAX = 30

const BREAKABLE: ReadonlySet<FaultyOperation> = new Set(['write', 'datasync', 'rename', 'remove', 'createFolder', 'syncFolder'])

/** `full`: every other write finds no room. `broken`: nothing can be changed, until the machine is switched off and on. `half-broken`: the same,
 *  but for the metadata, which have a disk of their own. */
export type DiskState = 'well' | 'full' | 'broken' | 'half-broken'

/** The disks of one machine, which outlive its processes: files with their chunks, and the metadata. */
export class NodeDisks {
  readonly #files: MemoryFiles
  readonly #metadata = new MemoryDisk()
  readonly #random: SeededRandom
  readonly #isForgetful: boolean
  state: DiskState = 'well'
  /** What each call waits for at most. */
  delayMs = 0

  constructor(options: { readonly seed: number; readonly clock: Clock; readonly isForgetful: boolean }) {
    const { seed, clock, isForgetful } = options
    this.#files = new MemoryFiles({ seed, capacityBytes: CAPACITY_BYTES, nowMs: () => clock.nowMs() })
    this.#random = new SeededRandom(~seed)
    this.#isForgetful = isForgetful
  }

  /** Until the machine is switched off and on. */
  get isBroken(): boolean {
    return this.state === 'broken' || this.state === 'half-broken'
  }

  /** As a process sees them: its calls take time, and end with it. */
  filesOf(ports: ProcessPorts): Files {
    const delay = async (): Promise<void> => {
      if (this.delayMs > 0) await ports.clock.sleep(this.#random.below(this.delayMs))
      await ports.turn()
    }
    const medium = this.#isForgetful ? forgetfulFiles(this.#files) : this.#files
    return faultyFiles(slowFiles(medium, delay), (operation) => this.#fault(operation))
  }

  /** The metadata as a process has it. Whoever had it before writes no more. */
  openMetadata(ports: ProcessPorts): MemoryBase {
    return new MemoryBase(this.#metadata, async () => {
      await ports.clock.sleep(this.#random.below(COMMIT_MS_MAX + this.delayMs))
      const fault = this.state === 'half-broken' ? undefined : this.#fault('write')
      if (fault === 'no-space') throw new ShoalError('NO_SPACE', 'There is no room for the metadata (planned fault)')
      if (fault !== undefined) throw new ShoalError('STORAGE_FAILED', 'The metadata cannot be written (planned fault)')
    })
  }

  /** The power fails: what was not flushed is lost, or torn. */
  powerOff(): void {
    new MemoryBase(this.#metadata)
    this.#files.crash()
    if (this.isBroken) this.state = 'well'
  }

  /** Flips a bit of something in `folder` that chunks lie in. */
  async damageChunks(folder: string, random: SeededRandom): Promise<void> {
    const files: { readonly path: string; readonly sizeBytes: number }[] = []
    const walk = async (path: string): Promise<void> => {
      for (const name of (await this.#files.list(path)) ?? []) {
        const inside = `${path}/${name}`
        const facts = await this.#files.facts(inside)
        if (facts?.kind === 'folder') await walk(inside)
        else if (facts !== undefined && facts.sizeBytes > DAMAGED_BYTES_MIN && !name.endsWith('.index'))
          files.push({ path: inside, sizeBytes: facts.sizeBytes })
      }
    }
    await walk(folder)
    const file = files[random.below(files.length)]
    if (file === undefined) return
    const position = HEAD_BYTES + random.below(file.sizeBytes - HEAD_BYTES)
    this.#files.damage(file.path, position, 1 << random.below(8))
  }

  #fault(operation: FaultyOperation): Fault | undefined {
    if (this.isBroken) return BREAKABLE.has(operation) ? 'io-error' : undefined
    return this.state === 'full' && operation === 'write' && this.#random.chance(0.5) ? 'no-space' : undefined
  }
}
