// A network of this machine's own for nodes: each in a namespace, wired to one of several switches that know nothing of each other.
// To be used in a namespace of its own (`unshare --net`), which is connected to all switches, and forwards nothing.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { NodePlace } from './process-cluster.ts'

const run = promisify(execFile)
/** Documentation's own (RFC 5737, TEST-NET-2): routed nowhere. */
const SUBNET = '198.51.100'
const SELF = `${SUBNET}.1`
const PORT = 7400
/** Of this machine on every switch, so that nodes that go from one to another find it at once. By themselves switches have an address each, and the
 *  nodes went on answering to that of the switch they were on before, for up to a minute (ARP's reachable time, and TCP's retransmissions behind it). */
const SWITCH_MAC = '02:00:5e:00:53:01'

const ip = (...words: string[]): Promise<unknown> => run('ip', words)

export class SplitNetwork {
  readonly #nodes: number
  readonly #switches: number

  /** Everyone is on the first switch. */
  static async make({ nodes, switches }: { readonly nodes: number; readonly switches: number }): Promise<SplitNetwork> {
    const network = new SplitNetwork(nodes, switches)
    await ip('link', 'set', 'lo', 'up')
    for (let at = 0; at < switches; at += 1) {
      await ip('link', 'add', `switch${at}`, 'type', 'bridge')
      await ip('link', 'set', `switch${at}`, 'address', SWITCH_MAC)
      await ip('link', 'set', `switch${at}`, 'up')
      await ip('address', 'add', `${SELF}/32`, 'dev', `switch${at}`)
    }
    for (let at = 0; at < nodes; at += 1) await network.#add(at)
    return network
  }

  private constructor(nodes: number, switches: number) {
    this.#nodes = nodes
    this.#switches = switches
  }

  placeOf(at: number): NodePlace {
    return { host: addressOf(at), port: PORT, through: ['ip', 'netns', 'exec', namespaceOf(at)] }
  }

  /** Nodes of different groups don't reach each other from now on; this process reaches all. */
  async split(groups: readonly (readonly number[])[]): Promise<void> {
    for (const [group, members] of groups.entries()) for (const at of members) await this.#connect(at, group)
  }

  async heal(): Promise<void> {
    await this.split([Array.from({ length: this.#nodes }, (_, at) => at)])
  }

  async remove(): Promise<void> {
    for (let at = 0; at < this.#nodes; at += 1) await ip('netns', 'delete', namespaceOf(at))
    for (let at = 0; at < this.#switches; at += 1) await ip('link', 'delete', `switch${at}`)
  }

  async #add(at: number): Promise<void> {
    const namespace = namespaceOf(at)
    await ip('netns', 'add', namespace)
    await ip('link', 'add', `node${at}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace)
    await ip('link', 'set', `node${at}`, 'up')
    const inside = (...words: string[]): Promise<unknown> => ip('-n', namespace, ...words)
    await inside('link', 'set', 'lo', 'up')
    await inside('address', 'add', `${addressOf(at)}/24`, 'dev', 'eth0')
    await inside('link', 'set', 'eth0', 'up')
    await this.#connect(at, 0)
  }

  async #connect(at: number, group: number): Promise<void> {
    await ip('link', 'set', `node${at}`, 'master', `switch${group}`)
    await ip('route', 'replace', `${addressOf(at)}/32`, 'dev', `switch${group}`, 'src', SELF)
  }
}

const addressOf = (at: number): string => `${SUBNET}.${10 + at}`
const namespaceOf = (at: number): string => `shoal-${process.pid}-${at}`
