// The checksums of S3: computed while contents pass, compared with what the client announces.

import { createHash, type Hash } from 'node:crypto'
import { crc32, crc32c } from '@node-rs/crc32'
import { CHECKSUM_ALGORITHMS, type ChecksumAlgorithm } from '#volume/objects.ts'
import { S3Error } from '../s3-error.ts'
import { Crc64Nvme } from './crc64-nvme.ts'

interface ChecksumHash {
  update(bytes: Uint8Array): unknown
  digest(): Buffer
}

const LENGTH_BYTES: Record<ChecksumAlgorithm, number> = { CRC32: 4, CRC32C: 4, CRC64NVME: 8, SHA1: 20, SHA256: 32 }

export function createChecksum(algorithm: ChecksumAlgorithm): ChecksumHash {
  switch (algorithm) {
    case 'CRC32':
      return new Crc32(crc32)
    case 'CRC32C':
      return new Crc32(crc32c)
    case 'CRC64NVME':
      return new Crc64Nvme()
    case 'SHA1':
    case 'SHA256':
      return createHash(algorithm) satisfies Hash
  }
}

class Crc32 implements ChecksumHash {
  readonly #step: (bytes: Buffer, before: number) => number
  #value = 0

  constructor(step: (bytes: Buffer, before: number) => number) {
    this.#step = step
  }

  update(bytes: Uint8Array): void {
    this.#value = this.#step(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), this.#value)
  }

  digest(): Buffer {
    const bytes = Buffer.alloc(4)
    bytes.writeUInt32BE(this.#value >>> 0)
    return bytes
  }
}

export const checksumHeader = (algorithm: ChecksumAlgorithm): string => `x-amz-checksum-${algorithm.toLowerCase()}`

/** As elements of S3's documents are called: `ChecksumCRC32`. */
export const checksumElement = (algorithm: ChecksumAlgorithm): string => `Checksum${algorithm}`

/** @throws InvalidRequest for the name of none */
export function parseAlgorithm(name: string): ChecksumAlgorithm {
  const algorithm = CHECKSUM_ALGORITHMS.find((each) => each === name.toUpperCase())
  if (algorithm === undefined) {
    throw new S3Error(
      'InvalidRequest',
      `Checksum algorithm provided is unsupported: "${name.slice(0, 40)}". Supported are ${CHECKSUM_ALGORITHMS.join(', ')}`,
    )
  }
  return algorithm
}

/** A checksum in base64. @throws BadDigest for what can be none of that algorithm */
export function parseChecksum(algorithm: ChecksumAlgorithm, text: string): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== LENGTH_BYTES[algorithm] || bytes.toString('base64') !== text)
    throw new S3Error('BadDigest', `Value for ${checksumHeader(algorithm)} header is invalid.`)
  return bytes
}

/** @throws BadDigest */
export function compareChecksums(algorithm: ChecksumAlgorithm, announced: Buffer, computed: Buffer): void {
  if (announced.equals(computed)) return
  throw new S3Error(
    'BadDigest',
    `The ${algorithm} you specified did not match the calculated checksum: ${computed.toString('base64')} was received`,
  )
}
