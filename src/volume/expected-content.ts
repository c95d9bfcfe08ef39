import { hash } from 'node:crypto'
import { ShoalError } from '#foundation/errors.ts'
import type { ExpectedContent } from './volume.ts'

/** @throws INVALID_ARGUMENT once there are more bytes than were announced */
export function checkNotLonger(expected: ExpectedContent, sizeBytes: number): void {
  if (expected.sizeBytes !== undefined && sizeBytes > expected.sizeBytes) {
    throw new ShoalError('INVALID_ARGUMENT', `The body is longer than the ${expected.sizeBytes} bytes that were announced`)
  }
}

/** @throws INCOMPLETE_BODY at the end of fewer bytes than were announced */
export function checkNotShorter(expected: ExpectedContent, sizeBytes: number): void {
  if (expected.sizeBytes !== undefined && sizeBytes < expected.sizeBytes) {
    throw new ShoalError(
      'INCOMPLETE_BODY',
      `The body ended after ${sizeBytes} of the ${expected.sizeBytes} bytes that were announced`,
    )
  }
}

/** @throws DIGEST_MISMATCH for a digest that was announced and is not the computed one */
export function checkDigests(expected: ExpectedContent, computed: { sha256: Buffer | undefined; md5: Buffer | undefined }): void {
  checkDigest('SHA-256', expected.sha256, computed.sha256)
  checkDigest('MD5', expected.md5, computed.md5)
}

function checkDigest(name: string, announced: Buffer | undefined, computed: Buffer | undefined): void {
  if (announced === undefined || computed === undefined || announced.equals(computed)) return
  throw new ShoalError(
    'DIGEST_MISMATCH',
    `The body's ${name} is ${computed.toString('hex')}, announced was ${announced.toString('hex')}: it changed on the way`,
  )
}

/** Checks bytes that are all there, and gives their SHA-256. */
export function checkBytes(expected: ExpectedContent, bytes: Buffer): Buffer {
  checkNotLonger(expected, bytes.length)
  checkNotShorter(expected, bytes.length)
  const sha256 = hash('sha256', bytes, 'buffer')
  checkDigests(expected, { sha256, md5: expected.md5 === undefined ? undefined : hash('md5', bytes, 'buffer') })
  return sha256
}
