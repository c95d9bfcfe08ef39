import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { nodeUri } from '#foundation/node-uri.ts'
import type { Clock } from '#platform/clock.ts'
import type { MemoryHost } from '#platform/memory-sockets.ts'
import { SeededRandom } from '#platform/seeded-random.ts'
import { NodeDisks } from './node-disks.ts'
import { ProcessPorts } from './process-ports.ts'
import { abandonProcess, CHUNK_FOLDER, CLUSTER_ID, startProcess, stopProcess } from './simulated-process.ts'
import type { Life, World } from './simulated-process.ts'

/** `lost`: the machine is gone, with its disks. */
export type NodeState = 'down' | 'starting' | 'up' | 'removed' | 'lost'

/** One node: its processes, one after the other, and the machine below them, whose disks outlive them. */
export class SimulatedNode {
  readonly id: NodeId
  readonly host: string
  readonly disks: NodeDisks
  readonly #world: World
  readonly #time: Clock
  readonly #sockets: MemoryHost
  readonly #seed: number
  #life: Life | undefined
  readonly #over: Life[] = []
  #ports: ProcessPorts | undefined
  #lives = 0
  #isRemoved = false
  #isLost = false

  constructor(at: number, options: { readonly world: World; readonly time: Clock; readonly seed: number }) {
    const { world, time, seed } = options
    this.id = (at + 1).toString(16).padStart(32, '0') as NodeId
    this.host = `10.0.0.${at + 1}`
    this.disks = new NodeDisks({ seed, clock: time, isForgetful: world.defects.isForgetful === true })
    this.#time = time
    this.#world = world
    this.#seed = seed
    const uris = [nodeUri({ clusterId: CLUSTER_ID, nodeId: this.id })]
    this.#sockets = world.network.host(this.host, { kind: 'proven', uris })
  }

  get state(): NodeState {
    if (this.#isLost) return 'lost'
    if (this.#life !== undefined) return 'up'
    if (this.#ports !== undefined) return 'starting'
    return this.#isRemoved ? 'removed' : 'down'
  }

  /** What runs, if all of it does. */
  get life(): Life | undefined {
    return this.#life
  }

  get leads(): Life | undefined {
    return this.#life?.leadership.isLeading === true ? this.#life : undefined
  }

  /** @throws as `startNode` does; what was begun is ended then */
  async start(): Promise<void> {
    this.#lives += 1
    const random = new SeededRandom(this.#seed + 1_000 * this.#lives)
    const { clock, datagrams } = this.#world
    const ports = new ProcessPorts({ time: this.#time, world: clock, sockets: this.#sockets, datagrams, random })
    this.#ports = ports
    const { id, host, disks } = this
    try {
      const life = await ports.orOver(startProcess({ id, host, world: this.#world, disks, ports, random }))
      if (life === 'over') return
      this.#life = life
      const { expelled } = life.cluster
      const leave = (): void => this.#leave(ports)
      expelled.addEventListener('abort', leave, { once: true })
      if (expelled.aborted) leave()
    } catch (error) {
      if (this.#ports === ports) this.crash()
      this.#isRemoved ||= isShoalError(error, 'FORBIDDEN')
      throw error
    }
  }

  /** The power fails: the process is gone, and what its disks had not been told to keep. */
  crash(): void {
    const life = this.#life
    this.#ports?.end()
    if (life !== undefined) this.#over.push(life)
    this.#life = undefined
    this.#ports = undefined
    this.#world.network.kill(this.host)
    this.disks.powerOff()
    void life?.log.close()
  }

  /** Nothing comes after it: the memory of all that crashed is given back. */
  abandon(): void {
    this.crash()
    for (const life of this.#over.splice(0)) abandonProcess(life)
  }

  /** The machine burns down. */
  lose(): void {
    this.crash()
    this.#isLost = true
  }

  /** In order, as by a signal. */
  async stop(): Promise<void> {
    const life = this.#life
    if (life === undefined) return
    this.#life = undefined
    if ((await life.ports.orOver(stopProcess(life))) === 'over') return
    life.ports.end()
    this.#ports = undefined
  }

  /** The process stands still, until it is told to go on. */
  stand(): void {
    this.#life?.ports.stand()
  }

  goOn(): void {
    this.#life?.ports.goOn()
  }

  /** Flips a bit of something that the chunk store keeps. */
  damageChunks(random: SeededRandom): Promise<void> {
    return this.disks.damageChunks(CHUNK_FOLDER, random)
  }

  /** It was removed from its cluster, and ends as `serve` does. */
  #leave(ports: ProcessPorts): void {
    if (this.#ports !== ports) return
    this.#isRemoved = true
    this.crash()
  }
}
