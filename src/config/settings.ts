import {
  addresses,
  choice,
  count,
  durationMs,
  flag,
  hostNames,
  optionalPath,
  optionalSizeBytes,
  optionalText,
  secret,
  sizeBytes,
  someOf,
  text,
  ticket,
  type Setting,
  urls,
  word,
} from './setting.ts'

const SECOND_MS = 1_000
const MINUTE_MS = 60 * SECOND_MS
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const KIB = 2 ** 10
const MIB = 2 ** 20
const GIB = 2 ** 30
const TIB = 2 ** 40

/** Everything that can be configured. `docs/configuration.md` is written from this table. */
export const SETTINGS = {
  data: text({ fallback: './.shoal', help: 'the folder that holds everything the node keeps' }),
  host: text({ fallback: '127.0.0.1', help: 'the address to listen on' }),
  // The last door is at port + 5.
  port: count({
    fallback: 7400,
    min: 0,
    max: 65_530,
    help: 'the base port: console and REST here, S3 at + 1, nodes at + 2, etcd at + 4 and + 5; 0 takes a free one',
  }),
  join: addresses({ max: 8, help: 'nodes of the cluster to join, or to look for it at: hosts with the ports of nodes' }),
  token: ticket({
    help: 'the join token that shoal cluster token printed; needed once, with a new data folder',
    allowed: 'the line that shoal cluster token printed',
  }),
  advertise: optionalText({
    pattern: /^[A-Za-z0-9._:-]{1,253}$/,
    allowed: 'an IP address or a DNS name',
    help: 'where other nodes reach this one, if that is not the address it listens on',
  }),
  zone: text({
    fallback: 'default',
    pattern: /^[A-Za-z0-9._-]{1,64}$/,
    allowed: '1 to 64 letters, digits, dots, hyphens and underscores',
    help: 'what may fail at once, such as a room or a rack: copies are kept in different zones',
  }),
  role: someOf({ values: ['store', 'meta', 'gateway'], help: 'what the node does' }),
  capacity: optionalSizeBytes({
    min: 64 * MIB,
    max: 1024 * TIB,
    help: 'how much this node offers for chunks; the size of its disk unless given',
  }),
  fanout: count({
    fallback: 2,
    min: 1,
    max: 16,
    help: 'to how many other nodes news of eventual volumes is told at a time; more is faster, and told twice more often',
  }),
  cluster: flag({
    fallback: false,
    help: 'keep the metadata of strong volumes on several nodes, by an etcd that they run: see docs/operations/etcd.md. Remembered in the data folder',
  }),
  etcd: urls({
    max: 16,
    help: 'the same by an etcd that you run, 3.4 or later: the URLs of its members for clients. To be given to every node, at every start',
  }),
  etcdCa: optionalPath({ help: "whose certificates that etcd shows, in PEM; those of the system's authorities unless given" }),
  etcdCert: optionalPath({ help: 'the certificate that is shown to that etcd, in PEM' }),
  etcdKey: optionalPath({ help: 'its key, in PEM' }),
  etcdUser: optionalText({ pattern: /^.{1,128}$/, allowed: 'a name', help: 'the name of a user of that etcd' }),
  etcdPassword: secret({ pattern: /^.{1,1024}$/, allowed: 'a password', help: "that user's password" }),
  insecure: flag({ fallback: false, help: 'allow an address that others can reach although nothing is encrypted' }),
  'tls.cert': optionalPath({ help: 'the certificate in PEM, with its chain behind it: everything is encrypted then' }),
  'tls.key': optionalPath({ help: 'the key of that certificate in PEM, without a passphrase' }),
  'tls.selfSigned': flag({
    fallback: false,
    help: 'for trials: encrypt with a certificate that the node makes and signs itself',
  }),
  'log.level': choice({ values: ['debug', 'info', 'warn', 'error'], fallback: 'info', help: 'the least severe lines to log' }),
  'log.format': choice({
    values: ['auto', 'json', 'pretty'],
    fallback: 'auto',
    help: 'how lines look; auto is pretty on a terminal and JSON elsewhere',
  }),
  'limits.maxHeaderBytes': sizeBytes({ fallback: 64 * KIB, min: 8 * KIB, max: 1024 * KIB, help: 'the headers of one request' }),
  'limits.maxConnections': count({
    fallback: 4_096,
    min: 1,
    max: 1_000_000,
    help: 'connections at once; further ones are closed',
  }),
  // S3's largest object.
  'limits.maxBodyBytes': sizeBytes({ fallback: 5 * TIB, min: 1, max: 1024 * TIB, help: 'the body of one request' }),
  'limits.requestTimeoutMs': durationMs({
    fallback: 30 * SECOND_MS,
    min: SECOND_MS,
    max: HOUR_MS,
    help: 'how long the headers of a request may take',
  }),
  'limits.idleBodyTimeoutMs': durationMs({
    fallback: 60 * SECOND_MS,
    min: SECOND_MS,
    max: HOUR_MS,
    help: 'how long a body may stand still',
  }),
  'limits.maxConcurrentUploads': count({
    fallback: 256,
    min: 1,
    max: 100_000,
    help: 'large bodies received at once; as many more wait for ten seconds, further ones are told to come back',
  }),
  // Twelve chunks of the default length: two uploads at full speed, or four with three chunks each under way.
  'limits.writeBufferBytes': sizeBytes({
    fallback: 96 * MIB,
    min: 8 * MIB,
    max: 64 * GIB,
    help: 'memory for chunks on their way to the disk, of all uploads together',
  }),
  'limits.fetchedBytes': sizeBytes({
    fallback: 16 * GIB,
    min: 64 * MIB,
    max: 1024 * TIB,
    help: 'chunks of eventual volumes that are on this node only because they were read here; what was not read for the longest time goes',
  }),
  'uploads.expiryMs': durationMs({
    fallback: 7 * DAY_MS,
    min: MINUTE_MS,
    max: 365 * DAY_MS,
    help: 'how long an unfinished upload is kept',
  }),
  'gc.graceMs': durationMs({
    fallback: HOUR_MS,
    min: 0,
    max: 365 * DAY_MS,
    help: 'how long content that nothing refers to is kept',
  }),
  'gc.intervalMs': durationMs({ fallback: MINUTE_MS, min: SECOND_MS, max: DAY_MS, help: 'how often garbage is collected' }),
  'gc.sweepIntervalMs': durationMs({
    fallback: DAY_MS,
    min: MINUTE_MS,
    max: 365 * DAY_MS,
    help: 'how often all chunks are gone through for those that a crash has left over',
  }),
  'changes.ringEntries': count({
    fallback: 262_144,
    min: 1_024,
    max: 2 ** 30,
    help: 'changes that the feed remembers at least',
  }),
  'readers.max': count({
    fallback: 64,
    min: 0,
    max: 256,
    help: 'threads at most that answer what only reads, beside the one that does everything: started when that one is busy and a core is free, and never more than there are further cores',
  }),
  'lifecycle.intervalMs': durationMs({
    fallback: HOUR_MS,
    min: SECOND_MS,
    max: DAY_MS,
    help: 'how often the lifecycle rules of buckets are applied',
  }),
  'lifecycle.dayMs': durationMs({
    fallback: DAY_MS,
    min: SECOND_MS,
    max: DAY_MS,
    help: 'how long a day of a lifecycle rule is; shorter ones are for trials and conformance suites',
  }),
  's3.domains': hostNames({
    help: 'names below which each bucket is a host of its own, as BUCKET.s3.example.com; below localhost it always is',
  }),
  's3.region': word({ fallback: 'us-east-1', help: 'the location that buckets say they have; requests may be signed for any' }),
  's3.objectOwnership': choice({
    values: ['BucketOwnerEnforced', 'BucketOwnerPreferred', 'ObjectWriter'],
    fallback: 'BucketOwnerEnforced',
    help: 'of buckets without ownership controls of their own: enforced, access control lists count for nothing',
  }),
  'shutdown.graceMs': durationMs({
    fallback: 10 * SECOND_MS,
    min: 0,
    max: HOUR_MS,
    help: 'how long requests under way may take once the node is told to stop',
  }),
  rootAccessKey: secret({
    pattern: /^[\w.-]{3,128}$/,
    allowed: '3 to 128 letters, digits, dots, dashes or underscores',
    help: 'the name of the root key, instead of the one that the first start makes',
  }),
  rootSecretKey: secret({
    pattern: /^[\x21-\x7e]{8,128}$/,
    allowed: '8 to 128 printable ASCII characters without spaces',
    help: 'the secret of the root key',
  }),
}

export type ConfigKey = keyof typeof SETTINGS

type ValueOf<K extends ConfigKey> = (typeof SETTINGS)[K]['fallback']
type SectionOf<K extends string> = K extends `${infer Section}.${string}` ? Section : never

/** What the node runs with; frozen. `data` is absolute. */
export type Config = {
  readonly [K in ConfigKey as K extends `${string}.${string}` ? never : K]: ValueOf<K>
} & {
  readonly [S in SectionOf<ConfigKey>]: {
    readonly [K in ConfigKey as K extends `${S}.${infer Leaf}` ? Leaf : never]: ValueOf<K>
  }
}

export const CONFIG_KEYS = Object.keys(SETTINGS) as readonly ConfigKey[]

/** `limits.maxHeaderBytes` is `SHOAL_LIMITS_MAX_HEADER_BYTES`. */
export function environmentNameOf(key: ConfigKey): string {
  return `SHOAL_${words(key).join('_').toUpperCase()}`
}

/** `limits.maxHeaderBytes` is `limits-max-header-bytes`, without the dashes before it. */
export function flagNameOf(key: ConfigKey): string {
  return words(key).join('-')
}

/** The setting without its type, for code that treats all of them alike. */
export function settingOf(key: ConfigKey): Setting<unknown> {
  return SETTINGS[key] as unknown as Setting<unknown>
}

function words(key: string): string[] {
  return key.replace(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split('.')
}
