import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import type { ClusterIdentity } from '#cluster/identity.ts'
import type { EtcdTlsFiles } from '#etcd/etcd-flags.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Random } from '#platform/random.ts'

export interface EtcdCertificatesOptions {
  /** The node's data folder. */
  readonly dataPath: string
  readonly identity: Pick<ClusterIdentity, 'name' | 'authority'>
  /** IP addresses and DNS names by which this node is called, and from which it calls. */
  readonly places: readonly string[]
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

/** In PEM, as connections take it. */
export interface EtcdKeys {
  readonly ca: string
  readonly cert: string
  readonly key: string
}

const RENEW_BEFORE_MS = 30 * 86_400_000
const ANY_ADDRESS = new Set(['0.0.0.0', '::'])
/** etcd calls itself by its own address, and others look at it from this machine. */
const LOOPBACK = ['127.0.0.1', '::1']

/** What this node's etcd, and whoever calls it from here, proves itself with: a certificate of the cluster's authority for the
 *  addresses of this node, kept in `etcd-tls.pem` of the data folder together with its key, so that both are replaced in one step. etcd
 *  reads the file for each new connection. Another one is made 30 days before the end, and for other addresses. */
export class EtcdCertificates {
  readonly #options: EtcdCertificatesOptions
  readonly #places: readonly string[]
  readonly #pairPath: string
  readonly #authorityPath: string
  #keys: EtcdKeys

  /** @throws NO_SPACE, STORAGE_FAILED */
  static async open(options: EtcdCertificatesOptions): Promise<EtcdCertificates> {
    const certificates = new EtcdCertificates(options)
    const { files, identity } = options
    try {
      await files.publish(certificates.#authorityPath, [Buffer.from(identity.authority.certificate)], { mode: 0o600 })
      const kept = String((await files.read(certificates.#pairPath)) ?? '')
      certificates.#keys = { ...certificates.#keys, cert: kept, key: kept }
    } catch (cause) {
      throw storageError(cause, `keep the certificate of etcd in "${options.dataPath}"`)
    }
    await certificates.renewIfDue()
    return certificates
  }

  private constructor(options: EtcdCertificatesOptions) {
    const { dataPath, identity, places } = options
    this.#options = options
    this.#places = [...new Set([...places, ...LOOPBACK])].filter((place) => !ANY_ADDRESS.has(place))
    this.#pairPath = join(dataPath, 'etcd-tls.pem')
    this.#authorityPath = join(dataPath, 'etcd-ca.pem')
    this.#keys = { ca: identity.authority.certificate, cert: '', key: '' }
  }

  get files(): EtcdTlsFiles {
    return { certFile: this.#pairPath, keyFile: this.#pairPath, caFile: this.#authorityPath }
  }

  get keys(): EtcdKeys {
    return this.#keys
  }

  /** Makes another certificate if it is time; whether it did: what was opened with the one before is to be opened anew before that
   *  runs out. @throws NO_SPACE, STORAGE_FAILED */
  async renewIfDue(): Promise<boolean> {
    const why = this.#unfit(this.#keys.cert)
    if (why === undefined) return false
    const { identity, files, clock, random, log } = this.#options
    // The library is large, and needed once a year.
    const { certify, makeRequest } = await import('#cluster/certificates.ts')
    const { name, authority } = identity
    const { request, key } = await makeRequest(name)
    const cert = await certify({ authority, name, request, places: this.#places, nowMs: clock.nowMs(), random })
    try {
      await files.publish(this.#pairPath, [Buffer.from(`${cert}${key}`)], { mode: 0o600 })
    } catch (cause) {
      throw storageError(cause, `keep "${this.#pairPath}"`)
    }
    this.#keys = { ...this.#keys, cert, key }
    log.info('made a certificate for etcd', { why, places: this.#places.join(', ') })
    return true
  }

  #unfit(pem: string): string | undefined {
    const { clock, identity } = this.#options
    try {
      const certificate = new X509Certificate(pem)
      const nowMs = clock.nowMs()
      if (!certificate.checkIssued(new X509Certificate(identity.authority.certificate))) return 'it is of another authority'
      if (Date.parse(certificate.validTo) - nowMs < RENEW_BEFORE_MS) return 'it runs out'
      if (Date.parse(certificate.validFrom) > nowMs) return 'it is not valid yet'
      const lacks = this.#places.find(
        (place) => certificate.checkIP(place) === undefined && certificate.checkHost(place) === undefined,
      )
      return lacks === undefined ? undefined : `it is not for "${lacks}"`
    } catch {
      return 'there is none'
    }
  }
}
