import { ShoalError } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { parsePath, type Path } from '#foundation/path.ts'
import { percentDecode } from '#gateway/http/target.ts'

/** What an address names: the top of the server, the list of volumes, or something in a volume. */
export type DavTarget =
  | { readonly kind: 'top' }
  | { readonly kind: 'volumes' }
  | { readonly kind: 'entry'; readonly volume: string; readonly path: Path; readonly hasSlash: boolean }

export type EntryTarget = Extract<DavTarget, { kind: 'entry' }>

const DAV_PREFIX = '/dav'

/** Reads the path of a request, percent-encoded as it came. @throws INVALID_PATH, NAME_TOO_LONG; NOT_FOUND outside of the prefix */
export function parseTarget(rawPath: string): DavTarget {
  if (rawPath === '/') return { kind: 'top' }
  if (!isBelowPrefix(rawPath))
    throw new ShoalError('NOT_FOUND', `There is nothing at "${rawPath.slice(0, 200)}": volumes are below ${DAV_PREFIX}/`)
  const [volume, ...segments] = rawPath
    .slice(DAV_PREFIX.length)
    .split('/')
    .filter((segment) => segment !== '')
  if (volume === undefined) return { kind: 'volumes' }
  const names = segments.map(percentDecode)
  for (const name of names) {
    if (name.includes('/'))
      throw new ShoalError('INVALID_PATH', `The name "${name.slice(0, 80)}" has a slash in it, which names can't have`)
  }
  return { kind: 'entry', volume: percentDecode(volume), path: parsePath(names.join('/')), hasSlash: rawPath.endsWith('/') }
}

/** The address of an entry, as a path from the root of the server on. */
export function formatHref(volume: string, path: Path, isCollection: boolean): string {
  const names = [volume, ...path].map(encodeSegment).join('/')
  return `${DAV_PREFIX}/${names}${isCollection ? '/' : ''}`
}

export function encodeSegment(name: string): string {
  if (name.isWellFormed()) return encodeURIComponent(name)
  let text = ''
  for (const byte of encodeName(name)) {
    const character = String.fromCharCode(byte)
    text += /[\w.~-]/.test(character) ? character : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return text
}

/** What a URI in a header names here: an absolute path, or a whole address, whose host has to be the one that the request
 *  came to. `undefined`: it is on another server, or not WebDAV's here. @throws INVALID_ARGUMENT, INVALID_PATH, NAME_TOO_LONG */
export function parseReference(uri: string, host: string | undefined): DavTarget | undefined {
  const rawPath = pathOf(uri.trim(), host)
  return rawPath === undefined || !isBelowPrefix(rawPath) ? undefined : parseTarget(rawPath)
}

/** Whether an address is WebDAV's. */
export function isBelowPrefix(rawPath: string): boolean {
  return rawPath === DAV_PREFIX || rawPath.startsWith(`${DAV_PREFIX}/`)
}

function pathOf(text: string, host: string | undefined): string | undefined {
  // eslint-disable-next-line no-control-regex
  if (/[^\x21-\x7e]|[#?]/.test(text)) {
    throw new ShoalError(
      'INVALID_ARGUMENT',
      `"${text.slice(0, 200)}" is not the address of a resource: it has a query, a fragment, or characters that must be percent-encoded`,
    )
  }
  if (text.startsWith('/') && !text.startsWith('//')) return text
  const match = /^(https?):\/\/([^/]+)(\/.*)?$/i.exec(text)
  if (match === null) throw new ShoalError('INVALID_ARGUMENT', `"${text.slice(0, 200)}" is not an absolute address`)
  const scheme = (match[1] as string).toLowerCase()
  if (hostOf(match[2] as string, scheme) !== hostOf(host ?? '', scheme)) return undefined
  return match[3] ?? '/'
}

/** Without a port that says nothing, and without a user. */
function hostOf(authority: string, scheme: string): string {
  const host = authority.slice(authority.lastIndexOf('@') + 1).toLowerCase()
  return host.replace(scheme === 'https' ? /:443$/ : /:80$/, '')
}
