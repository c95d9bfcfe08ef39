import { X509Certificate } from 'node:crypto'
import { join } from 'node:path'
import { inspectPair } from '#gateway/http/inspect-pair.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { Machine } from '#platform/machine.ts'
import type { Random } from '#platform/random.ts'
import type { CertificateNames } from './make-certificate.ts'
import type { PairSource } from './pair-source.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS
/** Some clients take no certificate that lives longer than 398 days. */
const LIFE_MS = 365 * DAY_MS
const RENEW_BEFORE_MS = 30 * DAY_MS
/** For clients whose clock is behind. */
const BACKDATE_MS = HOUR_MS
/** A host with more interfaces than that is no place for a trial. */
const ADDRESSES_MAX = 64
const ANY_ADDRESS = new Set(['0.0.0.0', '::', '[::]'])

export interface SelfSignedPorts {
  readonly files: Files
  readonly clock: Clock
  readonly random: Random
  readonly machine: Machine
  readonly log: Log
}

/** A certificate for trials, which the node signs itself and keeps in its data folder as `tls-certificate.pem` and
 *  `tls-key.pem`, both with mode 0600. Another one is made 30 days before it runs out, when the node is to be reached by a
 *  name that it doesn't have, and when the two can't be used. */
export class SelfSignedPair implements PairSource {
  readonly origin = 'self-signed'
  readonly intervalMs = 12 * HOUR_MS
  readonly #paths: { readonly certificate: string; readonly key: string }
  readonly #host: string
  readonly #ports: SelfSignedPorts

  /** `host`: the address that the node listens on, as configured. */
  constructor(dataPath: string, host: string, ports: SelfSignedPorts) {
    this.#paths = { certificate: join(dataPath, 'tls-certificate.pem'), key: join(dataPath, 'tls-key.pem') }
    this.#host = host
    this.#ports = ports
  }

  async load(): Promise<TlsPair> {
    const names = namesOf(this.#host, this.#ports.machine)
    const kept = await this.#read()
    const why = kept === undefined ? 'there is none' : this.#unfit(kept, names)
    if (kept !== undefined && why === undefined) return kept
    const made = await this.#make(names)
    this.#ports.log.info('made a certificate', { why, names: [...names.hosts, ...names.addresses].join(', ') })
    return made
  }

  async #read(): Promise<TlsPair | undefined> {
    const { files } = this.#ports
    try {
      const [certificate, key] = await Promise.all([files.read(this.#paths.certificate), files.read(this.#paths.key)])
      return certificate === undefined || key === undefined
        ? undefined
        : { certificate: certificate.toString(), key: key.toString() }
    } catch (cause) {
      throw storageError(cause, `read "${this.#paths.certificate}" and its key`)
    }
  }

  /** Why another certificate is needed. */
  #unfit(pair: TlsPair, names: CertificateNames): string | undefined {
    try {
      const { notBeforeMs, notAfterMs } = inspectPair(pair)
      const nowMs = this.#ports.clock.nowMs()
      if (notAfterMs - nowMs < RENEW_BEFORE_MS) return 'the one before runs out'
      if (notBeforeMs > nowMs) return 'the one before is of the future'
    } catch (error) {
      return (error as Error).message
    }
    const certificate = new X509Certificate(pair.certificate)
    const missing = [
      ...names.hosts.filter((name) => certificate.checkHost(name) === undefined),
      ...names.addresses.filter((address) => certificate.checkIP(address) === undefined),
    ]
    return missing.length === 0 ? undefined : `the one before is not for ${missing.join(', ')}`
  }

  async #make(names: CertificateNames): Promise<TlsPair> {
    const { clock, random, files } = this.#ports
    const nowMs = clock.nowMs()
    // The library is large, and needed once a year.
    const { makeCertificate } = await import('./make-certificate.ts')
    const pair = await makeCertificate({
      names,
      notBeforeMs: nowMs - BACKDATE_MS,
      notAfterMs: nowMs + LIFE_MS,
      serialNumber: Buffer.concat([Buffer.of(1), random.bytes(15)]),
    })
    try {
      // A crash between the two leaves a pair that doesn't fit, and the next start makes another.
      await files.publish(this.#paths.key, [Buffer.from(pair.key)], { mode: 0o600 })
      await files.publish(this.#paths.certificate, [Buffer.from(pair.certificate)], { mode: 0o600 })
    } catch (cause) {
      throw storageError(cause, `keep a certificate in "${this.#paths.certificate}"`)
    }
    return pair
  }
}

/** Loopback, the host's name, and the address that the node listens on, or all if it listens on all. */
function namesOf(host: string, machine: Machine): CertificateNames {
  const bare = host.replace(/^\[|\]$/g, '')
  const isAddress = /^[\d.]+$/.test(bare) || bare.includes(':')
  const hosts = ['localhost', machine.hostName.toLowerCase(), ...(isAddress ? [] : [bare.toLowerCase()])]
  const further = ANY_ADDRESS.has(host) ? machine.addresses().slice(0, ADDRESSES_MAX) : isAddress ? [bare] : []
  return {
    hosts: unique(hosts.filter((name) => /^(?=.{1,253}$)[a-z\d]([a-z\d-]*[a-z\d])?(\.[a-z\d]([a-z\d-]*[a-z\d])?)*$/.test(name))),
    addresses: unique(['127.0.0.1', '::1', ...further]),
  }
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)]
}
