import { ShoalError } from '#foundation/errors.ts'

export interface AnnouncedDigests {
  readonly sha256?: Buffer
  readonly md5?: Buffer
}

export type DigestHeaders = Readonly<
  Partial<Record<'content-md5' | 'repr-digest' | 'content-digest' | 'x-content-sha256', string>>
>

const NONE: AnnouncedDigests = {}

/** Reads the digests that a sender announces for a body: Content-MD5 (RFC 1864), Repr-Digest and Content-Digest with
 *  `sha-256` (RFC 9530; the same here, since bodies have no content coding), X-Content-SHA256 (hexadecimal). Other
 *  algorithms of RFC 9530 are passed over, as it asks. @throws INVALID_ARGUMENT for a value that can't be a digest;
 *  DIGEST_MISMATCH for two that contradict each other */
export function readDigests(headers: DigestHeaders): AnnouncedDigests {
  const md5Text = headers['content-md5']
  const reprText = headers['repr-digest']
  const contentText = headers['content-digest']
  const hexText = headers['x-content-sha256']
  if (md5Text === undefined && reprText === undefined && contentText === undefined && hexText === undefined) return NONE
  const sha256 = [
    reprText === undefined ? undefined : sha256Of('Repr-Digest', reprText),
    contentText === undefined ? undefined : sha256Of('Content-Digest', contentText),
    hexText === undefined ? undefined : sha256OfHex(hexText),
  ].filter((digest) => digest !== undefined)
  const first = sha256[0]
  if (first !== undefined && sha256.some((digest) => !digest.equals(first))) {
    throw new ShoalError(
      'DIGEST_MISMATCH',
      'The headers announce different SHA-256 digests for one body: send one, or equal ones',
    )
  }
  return {
    ...(first === undefined ? {} : { sha256: first }),
    ...(md5Text === undefined ? {} : { md5: strictBase64('Content-MD5', md5Text, 16) }),
  }
}

/** The member `sha-256` of a dictionary of RFC 9530, such as `sha-256=:<base64>:, sha-512=:<base64>:`. */
function sha256Of(header: string, value: string): Buffer | undefined {
  for (const member of value.split(',')) {
    const match = /^\s*([a-z*][a-z0-9_\-.*]*)\s*=\s*:([A-Za-z0-9+/=]*):\s*(?:;.*)?$/.exec(member)
    if (match === null) {
      throw new ShoalError('INVALID_ARGUMENT', `${header} "${value.slice(0, 100)}" is not a list such as "sha-256=:<base64>:"`)
    }
    if (match[1] === 'sha-256') return strictBase64(header, match[2] as string, 32)
  }
  return undefined
}

function sha256OfHex(value: string): Buffer {
  if (!/^[0-9a-fA-F]{64}$/.test(value)) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `X-Content-SHA256 "${value.slice(0, 80)}" is not a SHA-256: 64 hexadecimal characters are expected`,
    )
  }
  return Buffer.from(value, 'hex')
}

function strictBase64(header: string, text: string, lengthBytes: number): Buffer {
  const bytes = Buffer.from(text, 'base64')
  if (bytes.length !== lengthBytes || bytes.toString('base64') !== text) {
    throw new ShoalError('INVALID_ARGUMENT', `${header} "${text.slice(0, 80)}" is not the base64 form of ${lengthBytes} bytes`)
  }
  return bytes
}

/** The value of Repr-Digest or Content-Digest for a SHA-256. */
export function formatSha256Digest(sha256: Buffer): string {
  return `sha-256=:${sha256.toString('base64')}:`
}

/** Whether Want-Repr-Digest (RFC 9530, section 4) asks for a SHA-256: any weight but 0. */
export function wantsSha256(header: string | undefined): boolean {
  if (header === undefined) return false
  const match = /(?:^|,)\s*sha-256\s*=\s*(\d{1,2})\s*(?:,|$)/.exec(header)
  return match !== null && Number(match[1]) > 0
}
