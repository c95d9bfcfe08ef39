import type { Config } from '#config/settings.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { inspectPair } from '#gateway/http/inspect-pair.ts'
import type { CertificateFacts } from '#gateway/http/inspect-pair.ts'
import { TlsMaterial } from '#gateway/http/tls-material.ts'
import type { Metrics } from '#observe/metrics.ts'
import { ConfiguredPair } from './configured-pair.ts'
import type { PairSource } from './pair-source.ts'
import { SelfSignedPair } from './self-signed-pair.ts'
import type { SelfSignedPorts } from './self-signed-pair.ts'

const DAY_MS = 86_400_000
const WARN_BEFORE_MS = 14 * DAY_MS

type TlsPorts = SelfSignedPorts & { readonly metrics: Metrics }

/** The certificate that a node shows, kept up to date: what its source has anew is taken for new handshakes, unless it
 *  can't be used; then the one before stays, and the log says why. */
export class NodeTls {
  readonly material: TlsMaterial
  readonly origin: PairSource['origin']
  readonly #source: PairSource
  readonly #ports: TlsPorts
  readonly #stopping = new AbortController()
  #facts: CertificateFacts
  #looking: Promise<void> = Promise.resolve()
  #loop: Promise<void> | undefined
  /** The last line about a pair that wasn't taken: said once, not every minute. */
  #complaint: string | undefined
  #warnedMs = -Infinity

  /** As `config` says; `undefined` without TLS. @throws INVALID_ARGUMENT if the pair can't be used, STORAGE_FAILED, NO_SPACE */
  static async open(config: Pick<Config, 'tls' | 'host'>, dataPath: string, ports: TlsPorts): Promise<NodeTls | undefined> {
    const { cert, key, selfSigned } = config.tls
    if (cert !== undefined && key !== undefined)
      return NodeTls.#openSource(new ConfiguredPair({ certificate: cert, key }, ports), ports)
    return selfSigned ? NodeTls.#openSource(new SelfSignedPair(dataPath, config.host, ports), ports) : undefined
  }

  static async #openSource(source: PairSource, ports: TlsPorts): Promise<NodeTls> {
    const pair = await source.load()
    return new NodeTls(source, { material: new TlsMaterial(pair), facts: inspectPair(pair) }, ports)
  }

  private constructor(source: PairSource, first: { material: TlsMaterial; facts: CertificateFacts }, ports: TlsPorts) {
    this.#source = source
    this.#ports = ports
    this.origin = source.origin
    this.material = first.material
    this.#facts = first.facts
    ports.metrics.gauge(
      {
        name: 'shoal_tls_certificate_expiry_timestamp_seconds',
        help: 'When the certificate in use runs out, in seconds since 1970',
      },
      () => this.#facts.notAfterMs / 1000,
    )
    this.#warnOfEnd()
  }

  /** SHA-256 of the certificate in use, pairs of hexadecimal digits with colons between them. */
  get fingerprint(): string {
    return this.#facts.fingerprint
  }

  /** Looks for another pair now and then, until `stop`. */
  start(): void {
    this.#loop ??= this.#run()
  }

  /** Looks for another pair now, and says in the log what came of it. */
  reload(): Promise<void> {
    this.#complaint = undefined
    return this.#look({ asked: true })
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#loop
    await this.#looking
  }

  async #run(): Promise<void> {
    for (;;) {
      try {
        await this.#ports.clock.sleep(this.#source.intervalMs, this.#stopping.signal)
      } catch {
        return
      }
      await this.#look({ asked: false })
    }
  }

  /** One look after the other. */
  #look(options: { readonly asked: boolean }): Promise<void> {
    this.#looking = this.#looking.then(() => this.#lookNow(options))
    return this.#looking
  }

  async #lookNow({ asked }: { readonly asked: boolean }): Promise<void> {
    const { log } = this.#ports
    try {
      const pair = await this.#source.load()
      const { certificate, key } = this.material.pair
      if (pair.certificate !== certificate || pair.key !== key) {
        const facts = inspectPair(pair)
        this.#refuseOutdated(facts)
        this.material.replace(pair)
        this.#facts = facts
        this.#warnedMs = -Infinity
        log.info('certificate replaced', describe(facts))
      } else if (asked) log.info('certificate unchanged', describe(this.#facts))
      this.#complaint = undefined
    } catch (error) {
      if (!isShoalError(error)) throw error
      if (this.#complaint !== error.message)
        log.error('certificate not replaced: the one before stays in use', { reason: error.message, ...describe(this.#facts) })
      this.#complaint = error.message
    }
    this.#warnOfEnd()
  }

  #refuseOutdated({ notBeforeMs, notAfterMs }: CertificateFacts): void {
    const nowMs = this.#ports.clock.nowMs()
    if (nowMs > notAfterMs) throw new ShoalError('INVALID_ARGUMENT', `The certificate ran out at ${timeOf(notAfterMs)}`)
    if (nowMs < notBeforeMs)
      throw new ShoalError('INVALID_ARGUMENT', `The certificate is not valid before ${timeOf(notBeforeMs)}`)
  }

  /** Once a day. */
  #warnOfEnd(): void {
    const { clock, log } = this.#ports
    const leftMs = this.#facts.notAfterMs - clock.nowMs()
    if (leftMs > WARN_BEFORE_MS || clock.monotonicMs() - this.#warnedMs < DAY_MS) return
    this.#warnedMs = clock.monotonicMs()
    if (leftMs > 0) log.warn('the certificate runs out soon: renew it', describe(this.#facts))
    else log.error('the certificate has run out, and clients refuse it: renew it', describe(this.#facts))
  }
}

function describe({ fingerprint, names, notAfterMs }: CertificateFacts) {
  return { fingerprint, names, notAfter: timeOf(notAfterMs) }
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
