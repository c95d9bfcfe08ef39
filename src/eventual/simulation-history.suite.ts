// What clients did, and what must be left of it: every write that no later one knew of.

import type { Place } from './keys.ts'
import { type EntryValue, formatDot, type Version } from './entry.ts'
import type { Simulation } from './simulation.suite.ts'

/** What is at a path when it has been agreed on: its versions with a value, by dot. */
type Left = Map<string, string>

export const VOLUME = 'shared'

export function valueOf(text: string): EntryValue {
  const bytes = Buffer.from(text)
  return {
    type: 'file',
    sizeBytes: bytes.length,
    sha256: undefined,
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtimeNs: 0n,
    btimeNs: 0n,
    tags: new Map(),
    content: { kind: 'inline', bytes },
  }
}

export function textOf(version: Version | undefined): string | undefined {
  return version?.value?.content.kind === 'inline' ? version.value.content.bytes.toString() : undefined
}

export class History {
  readonly #simulation: Simulation
  readonly #written = new Map<string, { place: Place; text: string }>()
  readonly #overwritten = new Set<string>()
  /** Paths of changes whose node died before it answered. */
  readonly #unsure = new Set<string>()
  readonly #pathsOf = new Map<number, Set<string>>()
  acknowledged = 0
  #count = 0

  constructor(simulation: Simulation) {
    this.#simulation = simulation
  }

  /** A client writes to a node, or removes. Whether it was acknowledged. */
  async change(index: number, path: string, kind: 'put' | 'remove'): Promise<boolean> {
    const life = this.#simulation.nodes[index]!.life
    if (life === undefined) return false
    const place = { volume: VOLUME, path }
    const paths = this.#pathsOf.get(index) ?? new Set()
    this.#pathsOf.set(index, paths.add(path))
    const text = `${(this.#count += 1)} at ${index}`
    try {
      const { dot, before } = await life.replica.change((transaction, tell) => {
        const state = life.replica.table.read(transaction, place)
        const value = kind === 'put' ? valueOf(text) : undefined
        tell(place)
        return { dot: life.replica.table.write(transaction, place, { value }), before: state.versions }
      })
      if (kind === 'put') this.#written.set(formatDot(dot), { place, text })
      for (const version of before) this.#overwritten.add(formatDot(version))
      this.acknowledged += 1
      return true
    } catch {
      this.#unsure.add(path)
      return false
    }
  }

  /** The disk of a node is gone, and with it what it hadn't told yet. */
  forgive(index: number): void {
    for (const path of this.#pathsOf.get(index) ?? []) this.#unsure.add(path)
  }

  /** What there is instead of what there should be on a node, as sentences. */
  async faults(index: number): Promise<string[]> {
    const expected = new Map<string, Left>()
    for (const [dot, { place, text }] of this.#written) {
      const left = expected.get(place.path) ?? new Map<string, string>()
      if (!this.#overwritten.has(dot)) left.set(dot, text)
      expected.set(place.path, left)
    }
    const { store, table } = this.#simulation.life(index).replica
    return store.read((snapshot) => {
      const faults: string[] = []
      for (const [path, left] of expected) {
        if (this.#unsure.has(path)) continue
        const { versions } = table.read(snapshot, { volume: VOLUME, path })
        const found = new Map(versions.filter(({ value }) => value !== undefined).map((version) => [formatDot(version), version]))
        for (const [dot, text] of left)
          if (textOf(found.get(dot)) !== text) faults.push(`node ${index} has lost "${text}" at ${path}`)
        for (const [dot, version] of found)
          if (!left.has(dot)) faults.push(`node ${index} has "${textOf(version)}" at ${path}, which was overwritten or removed`)
      }
      return faults
    })
  }

  /** Of all that run. */
  async allFaults(): Promise<string[]> {
    const faults: string[] = []
    for (const [index, { life }] of this.#simulation.nodes.entries())
      if (life !== undefined) faults.push(...(await this.faults(index)))
    return faults
  }
}
