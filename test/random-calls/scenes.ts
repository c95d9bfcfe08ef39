import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, MountedNode } from '../support/mounted-node.ts'
import { freePort, type NodeProcess, startNodeProcess } from '../support/node-process.ts'
import { Machine } from '../integration/interleavings.ts'
import type { Call, Stage } from './calls.ts'
import type { Difference } from './compare-answers.ts'
import { CallGenerator } from './generate-calls.ts'
import { ReferenceDisk } from './reference-disk.ts'
import { type CallResult, type CallRun, runDrawn, runGiven, type TestedMount } from './run-calls.ts'
import { shortenCalls } from './shorten-calls.ts'
import { World } from './world.ts'

interface Scene {
  /** The write modes of the mounts of its volume. */
  readonly mounts: readonly ('back' | 'through')[]
  /** What happens between calls, one of these each time. */
  readonly stages: readonly Stage[]
  readonly stageEvery: number
}

export const SCENES = {
  back: { mounts: ['back'], stages: ['settle'], stageEvery: 150 },
  through: { mounts: ['through'], stages: ['remount'], stageEvery: 300 },
  /** The same calls go on in another mount, which must be told of all that was done in the one before. */
  two: { mounts: ['back', 'back'], stages: ['switch'], stageEvery: 50 },
  mixed: { mounts: ['back', 'through'], stages: ['switch'], stageEvery: 50 },
  kills: { mounts: ['back'], stages: ['kill', 'kill', 'kill', 'remount'], stageEvery: 60 },
} as const satisfies Record<string, Scene>
export type SceneName = keyof typeof SCENES

/** Of a failure that comes and goes, how often a shorter sequence is tried. */
const SHORTEN_REPEATS = 2

export interface Seeded {
  readonly seed: number
  readonly count: number
}

/** A node, and an ext4 beside it. */
export class CallBench {
  readonly node: NodeProcess
  readonly folder: string
  readonly disk: ReferenceDisk
  /** How many were begun. */
  scenes = 0

  private constructor(node: NodeProcess, folder: string, disk: ReferenceDisk) {
    this.node = node
    this.folder = folder
    this.disk = disk
  }

  static async open(): Promise<CallBench> {
    const folder = mkdtempSync(join(tmpdir(), 'shoal-calls-'))
    const [node, disk] = await Promise.all([
      freePort().then((port) => startNodeProcess({ data: join(folder, 'data'), port })),
      ReferenceDisk.mount(folder),
    ])
    return new CallBench(node, folder, disk)
  }

  async close(): Promise<void> {
    await this.node.stop()
    await this.disk.unmount()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** The mounts of one scene. */
class SceneMounts implements TestedMount {
  readonly #mounts: readonly MountedNode[]
  readonly #machines = new Map<MountedNode, Machine>()
  #at = 0
  #settled = 0

  private constructor(mounts: readonly MountedNode[]) {
    this.#mounts = mounts
  }

  static async start({ node, folder, scenes }: CallBench, scene: SceneName): Promise<SceneMounts> {
    const client = connect(node.origin)
    const volume = `${scene}-${scenes}`
    await client.createVolume(volume)
    await client.close()
    const mounts = SCENES[scene].mounts.map(
      (mode, at) =>
        new MountedNode({
          endpoint: node.origin,
          volume,
          state: join(folder, `${volume}-${at}`),
          flags: ['--write-mode', mode, '--allow-other'],
        }),
    )
    await Promise.all(mounts.map((mounted) => mounted.mount()))
    return new SceneMounts(mounts)
  }

  get #mounted(): MountedNode {
    return this.#mounts[this.#at] as MountedNode
  }

  get directory(): string {
    return this.#mounted.directory
  }

  async stage(stage: Stage): Promise<void> {
    switch (stage) {
      case 'settle':
        return this.#settle()
      case 'remount':
        await this.#leave(this.#mounted)
        await this.#mounted.unmount()
        return this.#mounted.mount()
      case 'kill':
        await this.#leave(this.#mounted)
        await this.#mounted.kill()
        return this.#mounted.mount()
      case 'switch': {
        const before = this.#mounted
        this.#at = (this.#at + 1) % this.#mounts.length
        return this.#settle(before)
      }
    }
  }

  async stop(): Promise<void> {
    for (const mounted of this.#mounts) {
      await this.#leave(mounted)
      await mounted.remove()
    }
  }

  /** The cluster has all that was changed in a mount, and has told the others. */
  async #settle(changed = this.#mounted): Promise<void> {
    const name = `settled-${(this.#settled += 1)}.lock`
    const maker = await this.#machine(changed)
    await maker.do('drain')
    await maker.do('exclusive', name, '')
    for (const mounted of this.#mounts) await (await this.#machine(mounted)).do('until', 'listed', name)
  }

  async #machine(mounted: MountedNode): Promise<Machine> {
    const machine = this.#machines.get(mounted) ?? (await Machine.start(mounted))
    this.#machines.set(mounted, machine)
    return machine
  }

  /** Who is in a directory keeps it from being unmounted. */
  async #leave(mounted: MountedNode): Promise<void> {
    await this.#machines.get(mounted)?.stop()
    this.#machines.delete(mounted)
  }
}

/** Random calls in the mounts of one scene and on the disk beside them. */
export class CallScene {
  readonly #bench: CallBench
  readonly #scene: SceneName
  readonly #mounts: SceneMounts
  readonly #worlds: readonly [reference: World, tested: World]
  #runs = 0

  private constructor(bench: CallBench, scene: SceneName, mounts: SceneMounts, worlds: readonly [World, World]) {
    this.#bench = bench
    this.#scene = scene
    this.#mounts = mounts
    this.#worlds = worlds
  }

  static async start(bench: CallBench, scene: SceneName): Promise<CallScene> {
    bench.scenes += 1
    const mounts = await SceneMounts.start(bench, scene)
    return new CallScene(bench, scene, mounts, [await World.start(), await World.start()])
  }

  async stop(): Promise<void> {
    await this.interrupt()
    await this.#mounts.stop()
  }

  /** Whatever is under way fails. */
  async interrupt(): Promise<void> {
    for (const world of this.#worlds) await world.stop()
  }

  draw({ seed, count }: Seeded): Promise<CallResult> {
    const { stages, stageEvery } = SCENES[this.#scene]
    return runDrawn(this.#run(seed), new CallGenerator({ seed, stages, stageEvery }), count)
  }

  /** Does calls as they were done with this seed. */
  replay(calls: readonly Call[], seed: number): Promise<CallResult> {
    return runGiven(this.#run(seed), calls)
  }

  /** The shortest sequence that ends in the same difference, and what that is then; `undefined` if it doesn't come again. */
  async shorten(
    calls: readonly Call[],
    { kind, seed, triesMax }: { readonly kind: string; readonly seed: number; readonly triesMax: number },
  ): Promise<{ readonly calls: readonly Call[]; readonly difference: Difference } | undefined> {
    let last: { readonly calls: readonly Call[]; readonly difference: Difference } | undefined
    const fails = async (some: readonly Call[]): Promise<boolean> => {
      for (let repeat = 0; repeat < SHORTEN_REPEATS; repeat += 1) {
        const { difference, calls: done } = await this.replay(some, seed)
        if (difference?.kind !== kind) continue
        last = { calls: done, difference }
        return true
      }
      return false
    }
    if (await fails(calls)) await shortenCalls(calls, fails, { triesMax })
    return last
  }

  /** What is looked at, and how closely, goes by the seed: looks hide what is stale without them. */
  #run(seed: number): CallRun {
    const [reference, tested] = this.#worlds
    return {
      reference: { world: reference, directory: this.#bench.disk.directory },
      tested: { world: tested, mount: this.#mounts },
      name: `run-${(this.#runs += 1)}`,
      looksClosely: seed % 3 !== 0,
      comparesTimes: seed % 3 === 1,
    }
  }
}
