import { ShoalError } from '#foundation/errors.ts'
import type { TlsPair } from '#gateway/http/tls-material.ts'
import type { Log } from '#observe/log.ts'
import { storageError } from '#platform/files.ts'
import type { Files } from '#platform/files.ts'
import type { PairSource } from './pair-source.ts'

/** Far more than a chain of certificates needs, and little enough to read every minute. */
const FILE_BYTES_MAX = 1024 * 1024
const MINUTE_MS = 60_000

/** The certificate and key that the operator keeps in two PEM files. They are read anew rather than watched: that sees
 *  every way in which programs replace them (renamed files, links that point elsewhere, folders mounted over), on every
 *  file system, and two small reads a minute cost nothing. */
export class ConfiguredPair implements PairSource {
  readonly origin = 'configured'
  readonly intervalMs = MINUTE_MS
  readonly #paths: { readonly certificate: string; readonly key: string }
  readonly #ports: { readonly files: Files; readonly log: Log }
  #warned = false

  constructor(
    paths: { readonly certificate: string; readonly key: string },
    ports: { readonly files: Files; readonly log: Log },
  ) {
    this.#paths = paths
    this.#ports = ports
  }

  async load(): Promise<TlsPair> {
    const certificate = await this.#read('tls.cert', this.#paths.certificate)
    const key = await this.#read('tls.key', this.#paths.key)
    return { certificate, key }
  }

  async #read(setting: 'tls.cert' | 'tls.key', path: string): Promise<string> {
    const { files, log } = this.#ports
    try {
      const facts = await files.facts(path)
      if (facts?.kind !== 'file' || facts.sizeBytes > FILE_BYTES_MAX) {
        const why = facts === undefined ? "it doesn't exist" : facts.kind === 'file' ? 'it is too large' : 'it is no file'
        throw new ShoalError('INVALID_ARGUMENT', `"${setting}" names "${path}", which can't be read: ${why}`)
      }
      if (setting === 'tls.key' && (facts.mode & 0o007) !== 0 && !this.#warned) {
        this.#warned = true
        log.warn('the key of the certificate can be read by everybody on this machine: take that right away', {
          path,
          mode: (facts.mode & 0o777).toString(8),
        })
      }
      return String((await files.read(path)) ?? '')
    } catch (cause) {
      throw storageError(cause, `read "${path}" ("${setting}")`)
    }
  }
}
