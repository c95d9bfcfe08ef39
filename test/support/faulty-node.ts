// A node that loses messages, or whose clock is wrong, as the variable FAULTS says in JSON: `node test/support/faulty-node.ts --data … --port …`,
// with the flags of `shoal serve` that take a value, and --insecure.

import process from 'node:process'
import { readOptionalFile } from '#cli/read-optional-file.ts'
import { loadConfig } from '#config/load-config.ts'
import type { Message, Peers } from '#eventual/message.ts'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import type { EventualFigures } from '#node/eventual-cluster.ts'
import { startNode } from '#node/start-node.ts'
import { stopOnSignals } from '#node/stop-on-signals.ts'
import { createPinoLog } from '#observe/pino-log.ts'
import type { Clock } from '#platform/clock.ts'
import type { Datagrams } from '#platform/datagrams.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeDatagrams } from '#platform/node-datagrams.ts'
import { nodeRandom } from '#platform/node-random.ts'

export interface NodeFaults {
  /** Which share of datagrams that it sends is lost, and of messages about eventual volumes, and of the answers to these. */
  readonly loss?: number
  /** How far its clock is ahead. */
  readonly clockAheadMs?: number
  /** Everything that eventual volumes do by themselves is done as often as it can be. */
  readonly isBusy?: boolean
}

/** Removals are forgotten some hundred milliseconds after everybody has heard of them, by collections that run all the time. */
const BUSY: EventualFigures = {
  timing: { exchangeIntervalMs: 200, tidyIntervalMs: 20, reportIntervalMsPerMember: 0, rumourIntervalMs: 50 },
  floorStepMs: 1,
}

function flagsOf(words: readonly string[]): Record<string, string | boolean> {
  const flags: Record<string, string | boolean> = {}
  for (let at = 0; at < words.length; at += 1) {
    const name = (words[at] as string).slice(2)
    if (name === 'insecure') flags[name] = true
    else flags[name] = words[(at += 1)] as string
  }
  return flags
}

function losing(loss: number): { readonly datagrams: Datagrams; readonly eventualPeers: (peers: Peers) => Peers } {
  const isLost = (): boolean => nodeRandom.fraction() < loss
  const lost = new ShoalError('UNAVAILABLE', 'The message was lost on its way')
  return {
    datagrams: {
      async bind(address, handlers) {
        const socket = await nodeDatagrams.bind(address, handlers)
        return {
          local: socket.local,
          send: (bytes, to) => (isLost() ? undefined : socket.send(bytes, to)),
          close: () => socket.close(),
        }
      },
    },
    eventualPeers: (peers) => ({
      running: () => peers.running(),
      async call(node: NodeId, message: Message, signal?: AbortSignal) {
        if (isLost()) throw lost
        const answer = await peers.call(node, message, signal)
        if (isLost()) throw lost
        return answer
      },
    }),
  }
}

function ahead(aheadMs: number): Clock {
  return {
    nowMs: () => nodeClock.nowMs() + aheadMs,
    nowNs: () => nodeClock.nowNs() + BigInt(aheadMs) * 1_000_000n,
    monotonicMs: () => nodeClock.monotonicMs(),
    sleep: (delayMs, signal) => nodeClock.sleep(delayMs, signal),
  }
}

if (import.meta.main) {
  const { loss = 0, clockAheadMs = 0, isBusy = false } = JSON.parse(process.env['FAULTS'] ?? '{}') as NodeFaults
  const files = { read: readOptionalFile }
  const { config } = await loadConfig({ flags: flagsOf(process.argv.slice(2)), env: process.env, cwd: process.cwd(), files })
  const clock = ahead(clockAheadMs)
  const log = createPinoLog({ level: config.log.level, format: 'json', clock, write: (line) => process.stderr.write(line) })
  await stopOnSignals(
    await startNode(config, { log, version: '0.0.0', clock, ...losing(loss), ...(isBusy ? { eventualFigures: BUSY } : {}) }),
    log,
  )
}
