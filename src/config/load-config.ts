import { resolve } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { Files } from '#platform/files.ts'
import { didYouMean, isConfigKey, readConfigFile } from './config-file.ts'
import { CONFIG_KEYS, environmentNameOf, flagNameOf, settingOf, type Config, type ConfigKey } from './settings.ts'

/** Where a value came from, weakest first. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }

export interface ConfigSources {
  /** By flag name without dashes (`log-level`) or by key (`log.level`). `undefined` is as good as absent. */
  readonly flags: Readonly<Record<string, string | boolean | undefined>>
  readonly env: Readonly<Record<string, string | undefined>>
  /** The working folder: `configPath` and the paths among the settings are relative to it. */
  readonly cwd: string
  /** A file named by the user (`--config`, else `SHOAL_CONFIG`), which must exist; else `shoal.yaml` in the data folder, if it is there. */
  readonly configPath?: string | undefined
  readonly files: Pick<Files, 'read'>
}

export interface LoadedConfig {
  readonly config: Config
  readonly origins: Readonly<Record<ConfigKey, Origin>>
  /** The file that was read. */
  readonly configPath: string | undefined
  /** Sentences for the operator about what was ignored. */
  readonly warnings: readonly string[]
}

interface Candidate {
  readonly value: unknown
  readonly origin: Origin
}

const DEFAULT_FILE = 'shoal.yaml'
/** Variables of the command line as a client, which are no settings of the node. */
const CLIENT_VARIABLES = [
  'SHOAL_CONFIG',
  'SHOAL_ENDPOINT',
  'SHOAL_ACCESS_KEY',
  'SHOAL_SECRET_KEY',
  'SHOAL_PROFILE',
  'SHOAL_CA_FILE',
  'SHOAL_NEW_SECRET_KEY',
]
/** Relative to the working folder as given. */
const PATHS = ['data', 'tls.cert', 'tls.key', 'etcdCa', 'etcdCert', 'etcdKey'] as const satisfies readonly ConfigKey[]
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|::1|\[::1\])$/

/** The configuration from flags, else environment, else file, else defaults.
 *  @throws INVALID_ARGUMENT that lists everything that is wrong, a line each: the key, the value, where it came from and what is allowed */
export async function loadConfig(sources: ConfigSources): Promise<LoadedConfig> {
  const problems: string[] = []
  const candidates = new Map<ConfigKey, Candidate>()
  collectEnvironment(sources, candidates)
  collectFlags(sources, candidates, problems)
  const configPath = await collectFile(sources, candidates, problems)

  const values = new Map<ConfigKey, unknown>()
  const origins = {} as Record<ConfigKey, Origin>
  for (const key of CONFIG_KEYS) {
    const { value, origin } = candidates.get(key) ?? { value: undefined, origin: { kind: 'default' } as const }
    origins[key] = origin
    values.set(key, origin.kind === 'default' ? settingOf(key).fallback : parse(key, value, origin, problems))
  }
  for (const key of PATHS) {
    const path = values.get(key)
    if (typeof path === 'string') values.set(key, resolve(sources.cwd, path))
  }
  const config = nest(values)
  if (problems.length === 0) problems.push(...checkTogether(config, origins))
  if (problems.length > 0) throw new ShoalError('INVALID_ARGUMENT', `The configuration is wrong:\n${problems.join('\n')}`)
  return { config, origins, configPath, warnings: warningsAbout(sources.env) }
}

/** `the environment variable SHOAL_PORT`, `the default`… */
export function describeOrigin(origin: Origin): string {
  if (origin.kind === 'file') return `the file ${origin.path}`
  if (origin.kind === 'environment') return `the environment variable ${origin.variable}`
  return origin.kind === 'flag' ? `the flag ${origin.flag}` : 'the default'
}

function collectEnvironment({ env }: ConfigSources, candidates: Map<ConfigKey, Candidate>): void {
  for (const key of CONFIG_KEYS) {
    const variable = environmentNameOf(key)
    const value = env[variable]
    if (value !== undefined) candidates.set(key, { value, origin: { kind: 'environment', variable } })
  }
}

function collectFlags({ flags }: ConfigSources, candidates: Map<ConfigKey, Candidate>, problems: string[]): void {
  for (const [name, value] of Object.entries(flags)) {
    if (value === undefined) continue
    const key = isConfigKey(name) ? name : CONFIG_KEYS.find((candidate) => flagNameOf(candidate) === name)
    if (key === undefined) problems.push(`There is no flag --${name}${didYouMean(name, CONFIG_KEYS.map(flagNameOf))}`)
    else if (settingOf(key).secret) problems.push(`--${flagNameOf(key)} is a secret: set ${environmentNameOf(key)} instead`)
    else candidates.set(key, { value, origin: { kind: 'flag', flag: `--${flagNameOf(key)}` } })
  }
}

async function collectFile(
  sources: ConfigSources,
  candidates: Map<ConfigKey, Candidate>,
  problems: string[],
): Promise<string | undefined> {
  const named = sources.configPath ?? sources.env['SHOAL_CONFIG']
  const data = candidates.get('data')?.value ?? settingOf('data').fallback
  const path = resolve(sources.cwd, named ?? resolve(sources.cwd, String(data), DEFAULT_FILE))
  const content = await sources.files.read(path)
  if (content === undefined) {
    if (named !== undefined) throw new ShoalError('INVALID_ARGUMENT', `There is no configuration file ${path}`)
    return undefined
  }
  for (const [key, value] of await readConfigFile(path, content.toString('utf8'), problems)) {
    if (named === undefined && key === 'data')
      problems.push(`${path} can't set "data": it was found because the data folder is where it is`)
    if (!candidates.has(key)) candidates.set(key, { value, origin: { kind: 'file', path } })
  }
  return path
}

function parse(key: ConfigKey, value: unknown, origin: Origin, problems: string[]): unknown {
  const setting = settingOf(key)
  const result = setting.schema.safeParse(value)
  if (result.success) return result.data
  const shown = setting.secret ? 'not shown' : JSON.stringify(value)
  problems.push(`"${key}" is ${shown}, from ${describeOrigin(origin)}: allowed is ${setting.allowed}`)
  return setting.fallback
}

function checkTogether(config: Config, origins: Readonly<Record<ConfigKey, Origin>>): string[] {
  const found: string[] = []
  const { cert, key, selfSigned } = config.tls
  if (!LOOPBACK.test(config.host) && cert === undefined && !selfSigned && !config.insecure) {
    found.push(
      `"host" is "${config.host}", from ${describeOrigin(origins.host)}: others could reach it, and nothing is encrypted. ` +
        'Give a certificate with --tls-cert and --tls-key, or say --tls-self-signed for a trial, or --insecure if the network is trusted',
    )
  }
  if ((cert === undefined) !== (key === undefined)) {
    const [given, missing] = cert === undefined ? (['tls.key', 'tls.cert'] as const) : (['tls.cert', 'tls.key'] as const)
    found.push(`"${given}" is set, from ${describeOrigin(origins[given])}, and "${missing}" isn't: they belong together`)
  }
  if (selfSigned && (cert !== undefined || key !== undefined)) {
    const given = cert === undefined ? 'tls.key' : 'tls.cert'
    found.push(
      `"tls.selfSigned" is true, from ${describeOrigin(origins['tls.selfSigned'])}, and "${given}" is set, ` +
        `from ${describeOrigin(origins[given])}: choose one`,
    )
  }
  if ((config.rootAccessKey === undefined) !== (config.rootSecretKey === undefined)) {
    found.push('SHOAL_ROOT_ACCESS_KEY and SHOAL_ROOT_SECRET_KEY belong together: set both, or neither')
  }
  return [...found, ...checkEtcd(config, origins)]
}

function checkEtcd(config: Config, origins: Readonly<Record<ConfigKey, Origin>>): string[] {
  const found: string[] = []
  const { cluster, etcd, port } = config
  if (cluster && etcd.length > 0) {
    const [own, other] = [describeOrigin(origins.cluster), describeOrigin(origins.etcd)]
    found.push(`"cluster" is true, from ${own}, and "etcd" is set, from ${other}: the nodes run an etcd, or you do; choose one`)
  }
  if ((cluster || etcd.length > 0) && port === 0) {
    found.push(`"port" is 0, from ${describeOrigin(origins.port)}: a cluster has to find its nodes again, so choose one`)
  }
  for (const [one, other] of [
    ['etcdCert', 'etcdKey'],
    ['etcdUser', 'etcdPassword'],
  ] as const) {
    if ((config[one] === undefined) !== (config[other] === undefined))
      found.push(`"${one}" and "${other}" belong together: set both, or neither`)
  }
  return found
}

function warningsAbout(env: ConfigSources['env']): string[] {
  const known = [...CONFIG_KEYS.map(environmentNameOf), ...CLIENT_VARIABLES]
  return Object.keys(env)
    .filter((name) => name.startsWith('SHOAL_') && !known.includes(name))
    .map((name) => `The environment variable ${name} is no setting${didYouMean(name, known)}`)
}

function nest(values: ReadonlyMap<ConfigKey, unknown>): Config {
  const root: Record<string, unknown> = {}
  for (const [key, value] of values) {
    const [section, leaf] = key.split('.') as [string, string | undefined]
    if (leaf === undefined) root[section] = value
    else root[section] = { ...(root[section] as Record<string, unknown> | undefined), [leaf]: value }
  }
  for (const value of Object.values(root)) Object.freeze(value)
  return Object.freeze(root) as Config
}
