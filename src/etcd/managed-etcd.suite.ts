import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isShoalError } from '#foundation/errors.ts'
import type { NodeId } from '#foundation/ids.ts'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { NodeProcesses } from '#platform/node-processes.ts'
import { EtcdDoor } from './etcd-door.ts'
import { freePort } from '../../test/support/node-process.ts'
import { makeTestAuthority } from '../../test/support/test-authority.ts'
import type { TestAuthority } from '../../test/support/test-authority.ts'
import { clientUrlOf, peerUrlOf } from './etcd-flags.ts'
import type { EtcdBeginning, EtcdPlace } from './etcd-flags.ts'
import type { ObservedMember } from './etcd-member.ts'
import { EtcdMembers } from './etcd-members.ts'
import { EtcdSupervisor } from './etcd-supervisor.ts'
import { EtcdVoters } from './etcd-voters.ts'
import type { VoterNode } from './plan-voters.ts'

export interface TestNode {
  readonly place: EtcdPlace
  readonly supervisor: EtcdSupervisor
  isAlive: boolean
}

const ROUND_MS = 150
const WITHIN_MS = 30_000
/** So that a test sees a lost voter replaced. */
const REPLACE_AFTER_MS = 1_500

/** A cluster's nodes as far as etcd is concerned: real processes on loopback, with certificates, in folders that go with them. */
export class ManagedEtcd {
  readonly nodes: TestNode[] = []
  readonly files = nodeFiles
  readonly folder: string
  readonly #authority: TestAuthority
  readonly #identity: { readonly ca: string; readonly cert: string; readonly key: string }
  #members: EtcdMembers | undefined
  #voters: EtcdVoters | undefined

  static async found(): Promise<ManagedEtcd> {
    const folder = await mkdtemp(join(tmpdir(), 'shoal-managed-etcd-'))
    const authority = await makeTestAuthority()
    const cluster = new ManagedEtcd(folder, authority, { ca: authority.ca, ...(await authority.issue()) })
    await cluster.#start(await cluster.addNode(), 'found')
    return cluster
  }

  private constructor(folder: string, authority: TestAuthority, identity: { ca: string; cert: string; key: string }) {
    this.folder = folder
    this.#authority = authority
    this.#identity = identity
  }

  get members(): EtcdMembers {
    const [first] = this.nodes
    this.#members ??= new EtcdMembers({
      endpoints: [clientUrlOf((first as TestNode).place)],
      connect: (endpoint) => this.connect(endpoint),
    })
    return this.#members
  }

  connect(endpoint: string): EtcdDoor {
    return new EtcdDoor({ endpoint: endpoint, tls: this.#identity, callTimeoutMs: 2_000 })
  }

  /** A node that could run etcd, and doesn't yet. */
  async addNode(): Promise<TestNode> {
    const name = `node-${this.nodes.length + 1}`
    const dataPath = join(this.folder, name)
    await mkdir(dataPath)
    const { cert, key } = await this.#authority.issue()
    const tls = { certFile: join(dataPath, 'c.pem'), keyFile: join(dataPath, 'k.pem'), caFile: join(dataPath, 'ca.pem') }
    await writeFile(tls.certFile, cert)
    await writeFile(tls.keyFile, key)
    await writeFile(tls.caFile, this.#authority.ca)
    const [clientPort, host] = [await freePort(), '127.0.0.1']
    const ports = { clientPort, peerPort: clientPort + 1 }
    const { files } = this
    const node = {
      place: { nodeId: name as NodeId, clusterId: 'cluster', listenHost: host, host, ...ports, tls },
      supervisor: new EtcdSupervisor({ processes: new NodeProcesses(), files, clock: nodeClock, log: silentLog, dataPath }),
      isAlive: true,
    }
    this.nodes.push(node)
    return node
  }

  /** Takes rounds until the members are as `done` says; whoever is added starts, and whoever is removed stops. The steps. */
  async roundsUntil(done: (members: readonly ObservedMember[]) => boolean): Promise<string[]> {
    const steps: string[] = []
    this.#voters ??= new EtcdVoters({
      members: this.members,
      clock: nodeClock,
      log: silentLog,
      limits: { votersMax: 5, replaceAfterMs: REPLACE_AFTER_MS, learnerPatienceMs: 20_000 },
    })
    for (const endMs = Date.now() + WITHIN_MS; Date.now() < endMs; await delay(ROUND_MS)) {
      try {
        const step = await this.#voters.round(this.#views())
        if (step.kind !== 'nothing') steps.push(`${step.kind} ${step.nodeId}`)
        if (step.kind === 'add-learner') await this.#join(step.nodeId)
        if (done(await this.members.observe())) return steps
      } catch (error) {
        // etcd hasn't seen for long enough that all of them are there.
        if (!isShoalError(error, 'UNAVAILABLE')) throw error
      }
    }
    throw new Error(`It did not come to that: ${steps.join(', ')}; ${JSON.stringify(await this.members.observe())}`)
  }

  /** Ends its etcd at once: in order, the last ones would wait for somebody to hand their leadership on to. */
  async kill({ supervisor }: TestNode): Promise<void> {
    const { state } = supervisor
    const stopping = supervisor.stop()
    if (state.kind === 'running') process.kill(state.pid, 'SIGKILL')
    await stopping
  }

  async dispose(): Promise<void> {
    await this.#members?.close()
    await Promise.all(this.nodes.map((node) => this.kill(node)))
    await rm(this.folder, { recursive: true, force: true })
  }

  async #join(nodeId: NodeId): Promise<void> {
    const node = this.nodes.find(({ place }) => place.nodeId === nodeId) as TestNode
    await this.#start(node, await this.members.list())
  }

  async #start({ place, supervisor }: TestNode, beginning: EtcdBeginning): Promise<void> {
    await supervisor.start(place, beginning)
  }

  #views(): VoterNode[] {
    return this.nodes.map(({ place, isAlive }, at) => ({
      nodeId: place.nodeId,
      peerUrl: peerUrlOf(place),
      zone: 'a',
      isAlive,
      sinceMs: at,
    }))
  }
}

/** All of them vote, answer and have caught up. */
export function areVoting(count: number): (members: readonly ObservedMember[]) => boolean {
  return (members) =>
    members.length === count && members.every(({ role, isHealthy, isCaughtUp }) => role === 'voter' && isHealthy && isCaughtUp)
}
