import { formatPath, parsePath } from '#foundation/path.ts'
import { usageError } from './usage-error.ts'

export interface RemoteLocation {
  readonly kind: 'remote'
  readonly volume: string
  /** Without slashes around it; the root is the empty string. */
  readonly path: string
  /** Written with a `/` or `/.` at its end: a directory is meant. */
  readonly directory: boolean
  /** Ends in `/.`, or is the volume itself: the contents are meant, not a directory by that name. */
  readonly contents: boolean
}

export interface LocalLocation {
  readonly kind: 'local'
  readonly path: string
  readonly directory: boolean
  readonly contents: boolean
}

export type Location = RemoteLocation | LocalLocation | { readonly kind: 'stdio' }

const REMOTE = /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]):($|\/.*$)/s

/** Reads `volume:/path`, `-` or a local path. A local name that looks like a volume's is written `./name:/…`. */
export function parseLocation(text: string): Location {
  if (text === '') throw usageError('An empty path names nothing')
  if (text === '-') return { kind: 'stdio' }
  const remote = REMOTE.exec(text)
  const path = remote?.[2] ?? text
  const directory = path === '' || /(^|\/)\.{0,2}$/.test(path)
  if (remote === null)
    return { kind: 'local', path: text, directory, contents: /(^|\/)\.{1,2}\/*$/.test(text) || /^\/+$/.test(text) }
  const names = formatPath(parsePath(path.replace(/\/\.$/, '/')))
  return { kind: 'remote', volume: remote[1] as string, path: names, directory, contents: names === '' || path.endsWith('/.') }
}

/** @throws a usage error for anything but `volume:/path` */
export function parseRemote(text: string): RemoteLocation {
  const location = parseLocation(text)
  if (location.kind === 'remote') return location
  const [, named] = /^([^/:]+):($|\/)/.exec(text) ?? []
  if (named !== undefined)
    throw usageError(`"${named}" can't name a volume: 3 to 63 of a-z, 0-9, "-" and ".", first and last a letter or digit`)
  throw usageError(`"${text}" is not in a volume: write it like docs:/path`)
}

export function formatRemote({ volume, path }: { volume: string; path: string }): string {
  return `${volume}:/${path}`
}

export function joinPath(directory: string, name: string): string {
  if (directory === '') return name
  return name === '' ? directory : `${directory}/${name}`
}

export function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
