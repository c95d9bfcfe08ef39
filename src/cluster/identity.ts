import { X509Certificate } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { NodeName } from '#foundation/node-uri.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { adoptCluster } from '#platform/data-folder.ts'
import type { DataFolder } from '#platform/data-folder.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'
import type { SocketKeys } from '#platform/sockets.ts'
import type { CertifiedKey } from './certificates.ts'
import { fingerprintOf, publishIdentity, readIdentity } from './identity-file.ts'
import type { IdentityRecord } from './identity-file.ts'
import { makeRing } from './key-ring.ts'
import type { KeyRing } from './key-ring.ts'

export interface IdentityPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const RENEW_BEFORE_MS = 30 * 86_400_000

/** Who this node is, and what it proves it with. */
export class ClusterIdentity {
  readonly #dataPath: string
  readonly #ports: IdentityPorts
  #record: IdentityRecord
  /** Changes come one after another. */
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(dataPath: string, record: IdentityRecord, ports: IdentityPorts) {
    this.#dataPath = dataPath
    this.#record = record
    this.#ports = ports
  }

  /** The identity that is kept in the data folder. A node without one founds a cluster of its own, whose id is that of the folder.
   *  Cut off at any moment, the next call does the same again. @throws DATA_FORMAT, NO_SPACE, STORAGE_FAILED */
  static async open(folder: DataFolder, ports: IdentityPorts): Promise<ClusterIdentity> {
    const kept = await readIdentity(ports.files, folder.path)
    const record = kept ?? (await found(folder, ports))
    if (record.name.nodeId !== folder.nodeId) {
      throw new ShoalError(
        'DATA_FORMAT',
        `The identity in "${folder.path}/cluster" is of node ${record.name.nodeId}, and the data folder of node ${folder.nodeId}. Remove the folder "cluster", and let the node join anew`,
      )
    }
    // A join was cut off after the identity was there: it is finished now.
    if (record.name.clusterId !== folder.clusterId) await adoptCluster(folder, record.name.clusterId, ports.files)
    const identity = new ClusterIdentity(folder.path, record, ports)
    await identity.renewIfDue()
    return identity
  }

  get name(): NodeName {
    return this.#record.name
  }

  /** SHA-256 of the authority's certificate. */
  get fingerprint(): string {
    return fingerprintOf(this.#record.authority.certificate)
  }

  get authority(): CertifiedKey {
    return this.#record.authority
  }

  get gossip(): KeyRing {
    return this.#record.gossip
  }

  /** What connections to other nodes are made with. */
  get keys(): SocketKeys {
    return { authority: this.#record.authority.certificate, pair: this.#record.node }
  }

  /** Makes another key and certificate for this node if the one that it has runs out within 30 days, or isn't valid yet; whether
   *  it did: then `keys` are to be used anew. @throws NO_SPACE, STORAGE_FAILED */
  renewIfDue(): Promise<boolean> {
    return this.#inTurn(async () => {
      const { name, authority, node } = this.#record
      const certificate = new X509Certificate(node.certificate)
      const nowMs = this.#ports.clock.nowMs()
      if (Date.parse(certificate.validTo) - nowMs >= RENEW_BEFORE_MS && Date.parse(certificate.validFrom) <= nowMs) return false
      const renewed = await certifyOwn(name, authority, this.#ports)
      await this.#replace({ ...this.#record, node: renewed })
      this.#ports.log.info('renewed the certificate of this node', { before: certificate.validTo })
      return true
    })
  }

  /** Keeps what `change` makes of the keys of the gossip: one step of a rotation. @throws what `change` throws; NO_SPACE, STORAGE_FAILED */
  changeGossip(change: (ring: KeyRing) => KeyRing): Promise<KeyRing> {
    return this.#inTurn(async () => {
      const gossip = change(this.#record.gossip)
      if (gossip !== this.#record.gossip) await this.#replace({ ...this.#record, gossip })
      return gossip
    })
  }

  async #replace(record: IdentityRecord): Promise<void> {
    await publishIdentity(this.#ports.files, this.#dataPath, record)
    this.#record = record
  }

  #inTurn<T>(step: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(step)
    this.#turn = done.catch(() => undefined)
    return done
  }
}

async function found({ clusterId, nodeId, path }: DataFolder, ports: IdentityPorts): Promise<IdentityRecord> {
  const { makeAuthority } = await import('./certificates.ts')
  const name = { clusterId, nodeId }
  const authority = await makeAuthority(clusterId, ports.clock.nowMs(), ports.random)
  const record = { name, authority, node: await certifyOwn(name, authority, ports), gossip: makeRing(ports.random) }
  await publishIdentity(ports.files, path, record)
  ports.log.info('founded a cluster', { clusterId, fingerprint: fingerprintOf(authority.certificate) })
  return record
}

async function certifyOwn(name: NodeName, authority: CertifiedKey, { clock, random }: IdentityPorts): Promise<CertifiedKey> {
  // The library is large, and needed once a year.
  const { certify, makeRequest } = await import('./certificates.ts')
  const { request, key } = await makeRequest(name)
  return { certificate: await certify({ authority, name, request, nowMs: clock.nowMs(), random }), key }
}
