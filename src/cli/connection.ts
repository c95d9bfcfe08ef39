import { readFileSync, statSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { getCACertificates } from 'node:tls'
import { ShoalError } from '#foundation/errors.ts'
import { nodeMachine } from '#platform/node-machine.ts'
import type { OptionValues } from './option-values.ts'
import { usageError } from './usage-error.ts'

export interface Connection {
  readonly endpoint: string
  readonly accessKey: string
  readonly secretKey: string
  /** Certificates in PEM to trust, if not those that Node knows. */
  readonly authorities?: readonly string[]
}

type Environment = Readonly<Record<string, string | undefined>>

export const DEFAULT_ENDPOINT = 'http://127.0.0.1:7400'
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

interface Profile {
  readonly endpoint?: string
  readonly accessKey?: string
  readonly secretKey?: string
  /** Relative to the folder of the profiles. */
  readonly caFile?: string
}

const PROFILE_KEYS = ['endpoint', 'accessKey', 'secretKey', 'caFile']

/** Which node to call and as whom: from flags, else environment, else profile, else, for a node on this machine, the
 *  root credentials in its data folder. @throws UNAUTHENTICATED if there are no keys anywhere */
export async function resolveConnection(options: OptionValues, env: Environment, dataOption = 'data'): Promise<Connection> {
  const profile = await readProfile(options, env)
  const endpoint = options.text('endpoint') ?? nonEmpty(env['SHOAL_ENDPOINT']) ?? profile.endpoint ?? DEFAULT_ENDPOINT
  const data = options.text(dataOption) ?? nonEmpty(env['SHOAL_DATA'])
  const caFile = options.text('ca-file') ?? nonEmpty(env['SHOAL_CA_FILE']) ?? profile.caFile
  const trust = endpoint.startsWith('https:') ? trusted(endpoint, caFile, data) : {}
  const fromFlags = pair(options.text('access-key'), options.text('secret-key'))
  const fromEnvironment = pair(nonEmpty(env['SHOAL_ACCESS_KEY']), nonEmpty(env['SHOAL_SECRET_KEY']))
  // The secret may come from the environment, where `ps` doesn't show it, while the key is a flag.
  const accessKey = fromFlags.accessKey ?? fromEnvironment.accessKey ?? profile.accessKey
  const secretKey = fromFlags.secretKey ?? fromEnvironment.secretKey ?? profile.secretKey
  if (accessKey !== undefined && secretKey !== undefined) return { endpoint, accessKey, secretKey, ...trust }
  if (accessKey !== undefined || secretKey !== undefined) {
    throw usageError(
      `An access key and its secret belong together: the ${accessKey === undefined ? 'access' : 'secret'} key is missing`,
    )
  }
  return { endpoint, ...rootCredentials(endpoint, data), ...trust }
}

function pair(
  accessKey: string | undefined,
  secretKey: string | undefined,
): { accessKey: string | undefined; secretKey: string | undefined } {
  return { accessKey, secretKey }
}

function nonEmpty(text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}

async function readProfile(options: OptionValues, env: Environment): Promise<Profile> {
  const named = options.text('profile') ?? nonEmpty(env['SHOAL_PROFILE'])
  const path = join(
    nonEmpty(env['XDG_CONFIG_HOME']) ?? join(nonEmpty(env['HOME']) ?? homedir(), '.config'),
    'shoal',
    'profiles.yaml',
  )
  const content = readPrivateFile(path)
  if (content === undefined) {
    if (named === undefined) return {}
    throw usageError(`There is no profile "${named}": the file ${path} does not exist`)
  }
  const { parse } = await import('yaml')
  let profiles: Record<string, unknown>
  try {
    profiles = (parse(content) ?? {}) as Record<string, unknown>
  } catch (cause) {
    throw usageError(`${path} is not valid YAML: ${(cause as Error).message.trimEnd()}`)
  }
  const profile = profiles[named ?? 'default']
  if (profile === undefined && named === undefined) return {}
  if (typeof profile !== 'object' || profile === null) {
    throw usageError(
      `There is no profile "${named ?? 'default'}" in ${path}; it has ${Object.keys(profiles).join(', ') || 'none'}`,
    )
  }
  return checkProfile(profile as Record<string, unknown>, path)
}

function checkProfile(profile: Record<string, unknown>, path: string): Profile {
  for (const [key, value] of Object.entries(profile)) {
    if (!PROFILE_KEYS.includes(key)) {
      throw usageError(`${path} has "${key}" in a profile: expected are ${PROFILE_KEYS.join(', ')}`)
    }
    if (typeof value !== 'string') throw usageError(`"${key}" in ${path} must be text: put it in quotes`)
  }
  const { caFile } = profile as Profile
  return caFile === undefined ? profile : { ...profile, caFile: resolve(dirname(path), caFile) }
}

/** A file with secrets, refused if others can read it. */
function readPrivateFile(path: string): string | undefined {
  try {
    const { mode } = statSync(path)
    if ((mode & 0o077) !== 0) {
      throw new ShoalError(
        'NOT_PERMITTED',
        `${path} holds secrets, but others can read it (mode ${(mode & 0o777).toString(8).padStart(4, '0')}). Run: chmod 600 ${path}`,
      )
    }
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** By its address: what is sent to one of this machine's own never leaves it. A name may lead anywhere. */
function isOnThisMachine(endpoint: string): boolean {
  if (!URL.canParse(endpoint)) return false
  const { hostname } = new URL(endpoint)
  return LOOPBACK.test(hostname) || nodeMachine.addresses().includes(hostname.replace(/^\[(.*)\]$/, '$1'))
}

/** Whom to trust: the certificates of the file, if one is named. A node on this machine may have signed its certificate
 *  itself: whoever can read its data folder can take it from there. */
function trusted(endpoint: string, caFile: string | undefined, data: string | undefined): Pick<Connection, 'authorities'> {
  if (caFile !== undefined) {
    const content = readText(caFile)
    if (content === undefined)
      throw usageError(`There is no file "${caFile}", which --ca-file or SHOAL_CA_FILE or the profile names`)
    if (!content.includes('-----BEGIN'))
      throw usageError(`"${caFile}" holds no certificates in PEM ("-----BEGIN CERTIFICATE-----")`)
    return { authorities: [content] }
  }
  if (!isOnThisMachine(endpoint)) return {}
  const own = readText(join(resolve(data ?? './.shoal'), 'tls-certificate.pem'))
  return own === undefined ? {} : { authorities: [...getCACertificates('default'), own] }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

/** Root credentials never leave the machine: a node elsewhere needs keys of its own. */
function rootCredentials(endpoint: string, data: string | undefined): { accessKey: string; secretKey: string } {
  const path = join(resolve(data ?? './.shoal'), 'root-credentials.json')
  const isHere = isOnThisMachine(endpoint)
  const ways = 'Set SHOAL_ACCESS_KEY and SHOAL_SECRET_KEY, or name a profile with --profile'
  if (!isHere) throw new ShoalError('UNAUTHENTICATED', `No keys are set for ${endpoint}. ${ways}`)
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? `there is no ${path}` : `${path} can't be read by this user`
    throw new ShoalError(
      'UNAUTHENTICATED',
      `No keys are set, and ${why}. ${ways}, or the data folder of a node on this machine with --data`,
      { cause },
    )
  }
  try {
    const { accessKey, secretKey } = JSON.parse(content) as Record<string, unknown>
    if (typeof accessKey === 'string' && typeof secretKey === 'string') return { accessKey, secretKey }
  } catch {
    // Reported below, without the content.
  }
  throw new ShoalError(
    'UNAUTHENTICATED',
    `${path} is not a file of root credentials: {"accessKey":"…","secretKey":"…"} is expected`,
  )
}
