import { isShoalError } from '#foundation/errors.ts'
import { visible } from './output.ts'

const SYSTEM_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'No such file or directory',
  EACCES: 'Permission denied',
  EPERM: 'Operation not permitted',
  ENOTDIR: 'Not a directory',
  EISDIR: 'Is a directory',
  EEXIST: 'It exists already',
  ENOSPC: 'No space left on this machine',
  EROFS: 'The file system is read-only',
  ENAMETOOLONG: 'The name is too long for this machine',
  EMFILE: 'Too many open files',
  EDQUOT: 'The disk quota is used up',
  EIO: 'Input/output error',
  ELOOP: 'Too many symbolic links',
}

/** What went wrong in words, without what the program was doing. */
export function reasonOf(error: unknown): string {
  if (isShoalError(error)) return visible(error.message).replaceAll('\\x0a', '\n')
  const { code, message } = error as NodeJS.ErrnoException
  return visible((code === undefined ? undefined : SYSTEM_ERRORS[code]) ?? message ?? String(error))
}

/** A message for a person: what was wrong, and what to do now. */
export function describeError(error: unknown): string {
  if (!isShoalError(error)) {
    const { path } = error as NodeJS.ErrnoException
    return path === undefined ? reasonOf(error) : `${visible(String(path))}: ${reasonOf(error)}`
  }
  const hint = hintFor(error.code, error.details)
  const message = reasonOf(error)
  if (hint === undefined) return message
  return `${message}${/[.!?]$/.test(message) ? '' : '.'} ${hint}`
}

const CERTIFICATE_HINTS: Readonly<Record<string, string>> = {
  untrusted:
    "Name the certificate of its authority with --ca-file (or SHOAL_CA_FILE); on the node's own machine, name its data folder with --data if it signs its certificate itself.",
  name: 'Use one of the names that it is for in --endpoint (or SHOAL_ENDPOINT), or give the node a certificate for this one.',
  expired: 'Renew it on the node; if the clock of this machine is wrong, set it.',
  early: 'Set the clock of this machine, or that of the machine where the certificate was made.',
}

function hintFor(code: string, details: Readonly<Record<string, unknown>>): string | undefined {
  if (typeof details['certificate'] === 'string') return CERTIFICATE_HINTS[details['certificate']]
  if (details['reason'] === 'ECONNREFUSED') return 'Is the node running? Start one with: npm start'
  if (details['connection'] === true) return 'Is --endpoint (or SHOAL_ENDPOINT) right, and the node up?'
  if (details['status'] === undefined) return undefined
  if (details['leaderless'] === true)
    return 'shoal status tells whether etcd answers, shoal node list which nodes are away: start those. If most of those that vote are gone for good, see docs/operations/etcd.md, "When the majority is lost".'
  if (code === 'UNAUTHENTICATED') return 'Check SHOAL_ACCESS_KEY and SHOAL_SECRET_KEY, or the profile.'
  if (code === 'VOLUME_NOT_FOUND') return 'shoal volume list shows those that exist, shoal volume create NAME makes one.'
  if (code === 'DIRECTORY_NOT_EMPTY') return 'To remove a directory with all that is in it, use rm -r.'
  if (code === 'INTERNAL' && typeof details['requestId'] === 'string')
    return `The node's log says more about request ${details['requestId']}.`
  return undefined
}

/** The same for programs. */
export function errorValue(error: unknown): object {
  if (isShoalError(error)) return { error: { code: error.code, message: error.message, ...error.details } }
  return { error: { code: (error as NodeJS.ErrnoException).code ?? 'INTERNAL', message: (error as Error).message } }
}
