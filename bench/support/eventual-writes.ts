// Small writes over REST to the first node of a cluster, and what its nodes spend for them.

import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { EventualNodes } from '../../test/support/eventual-nodes.ts'
import { AUTHORIZATION } from '../../test/support/node-process.ts'
import { measureHttpLoad } from './http-load.ts'

export interface Measured {
  /** Acknowledged writes a second. */
  readonly rate: number
  /** Processor time a write of the node that takes them, and of all nodes until all have them. */
  readonly nodeUs: number
  readonly allUs: number
}

export interface WriteLoad {
  readonly connections: number
  readonly measureMs: number
  readonly warmUpMs: number
  /** How many, one after the other and again; no path twice unless given. */
  readonly paths?: number
  /** What starts the generator: a program with arguments. */
  readonly through?: readonly string[]
}

const ANSWERED = /^shoal_http_requests_total\{[^}]*method="PUT"[^}]*\} ([\d.e+]+)$/gm

export class EventualWrites {
  readonly #cluster: EventualNodes
  readonly #bytes: number
  #series = 0

  constructor(cluster: EventualNodes, bytes: number) {
    this.#cluster = cluster
    this.#bytes = bytes
  }

  /** Acknowledged writes a second, to paths of its own. */
  load({ connections, measureMs, warmUpMs, paths = 1_000_000, through = [] }: WriteLoad): Promise<number> {
    this.#series += 1
    return measureHttpLoad({
      port: this.#cluster.nodes[0]?.port ?? 0,
      method: 'PUT',
      path: `/api/v1/volumes/shared/files/of-${this.#series}/`,
      paths,
      connections,
      warmUpMs,
      measureMs,
      bodyBytes: this.#bytes,
      authorization: AUTHORIZATION,
      through,
    })
  }

  /** @param running how many nodes run: the first ones do */
  async measure(load: WriteLoad, running: number): Promise<Measured> {
    const [nodeBeforeMs, allBeforeMs, before] = [this.#cpuMs(0), this.#cpuOfAllMs(running), await this.#answered()]
    const rate = await this.load(load)
    const nodeMs = this.#cpuMs(0) - nodeBeforeMs
    const count = (await this.#answered()) - before
    await this.#untilCaughtUp(running)
    return { rate, nodeUs: (nodeMs * 1_000) / count, allUs: ((this.#cpuOfAllMs(running) - allBeforeMs) * 1_000) / count }
  }

  /** Until everybody has everything, and nobody is told any more: newcomers have much to catch up with. Looking is work, too. */
  async untilQuiet(running: number): Promise<void> {
    while (!(await this.#isQuiet(running))) await delay(2_000)
  }

  /** Until each peer has everything that was written before, as it says itself. */
  async #untilCaughtUp(running: number): Promise<void> {
    const doneMs = performance.now()
    const isBehind = async (at: number): Promise<boolean> => {
      const { eventual } = await this.#json<{ eventual: { oldestDifferenceSeconds?: number } }>(at, '/status')
      return (eventual.oldestDifferenceSeconds ?? Number.POSITIVE_INFINITY) * 1_000 > performance.now() - doneMs
    }
    for (let at = 1; at < running; at += 1) while (await isBehind(at)) await delay(500)
  }

  async #isQuiet(running: number): Promise<boolean> {
    const all = Array.from({ length: running }, (_, at) => at)
    const waiting = await Promise.all(
      all.map(async (at) => (await this.#json<{ eventual: { rumours: number } }>(at, '/status')).eventual.rumours),
    )
    const counts = await Promise.all(
      all.map(async (at) => (await this.#json<{ usage: { files: number } }>(at, '/volumes/shared')).usage.files),
    )
    return (running === 1 || waiting.every((count) => count === 0)) && new Set(counts).size === 1
  }

  async #json<T>(at: number, path: string): Promise<T> {
    return (await (await this.#cluster.call(at, path)).json()) as T
  }

  #cpuOfAllMs(running: number): number {
    let sum = 0
    for (let at = 0; at < running; at += 1) sum += this.#cpuMs(at)
    return sum
  }

  /** Of all threads of a node's process, user and system together (proc(5): fields 14 and 15, in ticks of 10 ms). */
  #cpuMs(at: number): number {
    const stat = readFileSync(`/proc/${this.#cluster.nodes[at]?.child.pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * 10
  }

  /** Requests that the first node has answered. */
  async #answered(): Promise<number> {
    const answer = await fetch(`${this.#cluster.nodes[0]?.origin}/metrics`, { headers: { authorization: AUTHORIZATION } })
    return [...(await answer.text()).matchAll(ANSWERED)].reduce((sum, [, value]) => sum + Number(value), 0)
  }
}
