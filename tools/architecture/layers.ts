// The architecture as data: `test/architecture.test.ts` holds the sources to it, and ARCHITECTURE.md's diagram is drawn from it.

export interface Layer {
  readonly name: string
  readonly purpose: string
  /** The layers that its files may import, besides itself. */
  readonly imports: readonly string[]
}

const GROUND = ['foundation', 'platform', 'observe']

/** From the bottom up: a layer may import only layers above it in this list. */
export const LAYERS: readonly Layer[] = [
  { name: 'foundation', purpose: 'pure values: ids, errors, names, codecs', imports: [] },
  {
    name: 'platform',
    purpose: 'ports to clock, random, files, sockets, datagrams, other programs and /dev/fuse, and their Node adapters',
    imports: ['foundation'],
  },
  { name: 'observe', purpose: 'ports for logs and metrics, and their adapters', imports: ['foundation', 'platform'] },
  { name: 'wire', purpose: 'calls from node to node: frames, streams with back-pressure, peers', imports: GROUND },
  {
    name: 'cluster',
    purpose: 'what makes nodes a cluster: its authority, certificates, join tokens, gossip keys',
    imports: [...GROUND, 'wire'],
  },
  { name: 'membership', purpose: 'who is in the cluster and runs: gossip between nodes', imports: GROUND },
  { name: 'sharedlog', purpose: 'the totally ordered log port, with its election; memory and etcd', imports: GROUND },
  { name: 'etcd', purpose: 'an etcd that Shoal runs: its process, its members, who votes', imports: GROUND },
  {
    name: 'kv',
    purpose: 'the ordered transactional key-value port; memory, LMDB with a journal, replicated over a shared log',
    imports: [...GROUND, 'sharedlog'],
  },
  {
    name: 'eventual',
    purpose: 'the eventual namespace: versioned entries, how they merge, rumours and anti-entropy',
    imports: [...GROUND, 'kv'],
  },
  { name: 'chunk', purpose: 'the chunk port; memory and disk', imports: GROUND },
  { name: 'placement', purpose: 'layouts: which nodes hold which chunks; classes', imports: ['foundation'] },
  {
    name: 'replication',
    purpose: 'the chunk port over many nodes: copies, failing over, repairs',
    imports: [...GROUND, 'wire', 'chunk', 'placement'],
  },
  {
    name: 'system',
    purpose: "the cluster's own records: classes, what was decided about nodes, layouts",
    imports: [...GROUND, 'wire', 'kv', 'placement'],
  },
  {
    name: 'tracker',
    purpose: 'keeps chunks where they belong: repair, rebalance, drain, garbage collection, scrub',
    imports: [...GROUND, 'kv', 'chunk', 'placement', 'replication'],
  },
  { name: 'metadata', purpose: 'the namespace: inodes, entries, extents, uploads, references', imports: [...GROUND, 'kv'] },
  {
    name: 'volume',
    purpose: 'what every door calls: the namespace plus chunks',
    imports: [...GROUND, 'kv', 'eventual', 'chunk', 'metadata'],
  },
  { name: 'access', purpose: 'who may do what', imports: [...GROUND, 'kv'] },
  { name: 'config', purpose: 'file, environment and flags to one frozen configuration', imports: ['foundation', 'platform'] },
  {
    name: 'gateway/http',
    purpose: 'the streaming HTTP kernel that the doors share, and sending requests on to other nodes',
    imports: [...GROUND, 'wire'],
  },
  { name: 'gateway/xml', purpose: 'XML in and out, for the doors whose protocols speak it', imports: GROUND },
  {
    name: 'gateway/rest',
    purpose: 'REST under /api/v1',
    imports: [...GROUND, 'placement', 'system', 'volume', 'access', 'gateway/http'],
  },
  {
    name: 'gateway/s3',
    purpose: "Amazon S3's interface",
    imports: [...GROUND, 'volume', 'access', 'gateway/http', 'gateway/xml'],
  },
  {
    name: 'gateway/webdav',
    purpose: 'WebDAV under /dav',
    imports: [...GROUND, 'volume', 'access', 'gateway/http', 'gateway/xml'],
  },
  {
    name: 'gateway/fuse',
    purpose: 'the FUSE kernel protocol, and the session of a mount',
    imports: [...GROUND, 'volume'],
  },
  { name: 'client', purpose: 'what a node can do, for programs, over REST', imports: GROUND },
  {
    name: 'mount',
    purpose: 'a volume of a node as a file system of this machine',
    imports: [...GROUND, 'volume', 'gateway/fuse', 'client'],
  },
  {
    name: 'node',
    purpose: 'the composition root: wiring, start and stop order',
    imports: [
      ...GROUND,
      'wire',
      'cluster',
      'membership',
      'sharedlog',
      'etcd',
      'kv',
      'eventual',
      'chunk',
      'placement',
      'replication',
      'system',
      'tracker',
      'volume',
      'access',
      'config',
      'gateway/http',
      'gateway/rest',
      'gateway/s3',
      'gateway/webdav',
    ],
  },
  { name: 'cli', purpose: 'the command line', imports: [...GROUND, 'config', 'client', 'mount', 'node'] },
  { name: 'main', purpose: 'arguments in, exit code out', imports: ['cli'] },
]

/** Files that tie a port to the outside world. Only the layers in `ADAPTER_USERS`, tests and benchmarks import them, and
 *  adapters of the same layer one another. */
export const ADAPTERS: readonly RegExp[] = [
  /^src\/platform\/node-/,
  /^src\/observe\/(pino|prom)-/,
  /^src\/sharedlog\/(etcd|memory)/,
  /^src\/kv\/(lmdb|memory)/,
  /^src\/chunk\/(disk|memory)/,
]

/** Who may import which adapters: the node all, the command line the machine it runs on and its log. */
export const ADAPTER_USERS: Readonly<Record<string, RegExp>> = {
  node: /./,
  cli: /^src\/(platform\/node-|observe\/pino-)/,
}

/** The nouns of the volume port: who may import `volume` may import these. */
export const VOLUME_VOCABULARY = /^src\/metadata\/(attributes|policy)\.ts$/

/** Modules that reach the machine or the world, with the files that may import them. A module that is not listed and not in
 *  `HARMLESS_MODULES` is refused. */
export const OUTSIDE_MODULES: Readonly<Record<string, RegExp>> = {
  'node:dgram': /^src\/platform\//,
  'node:child_process': /^src\/platform\/node-(background|processes|fuse-mounts)/,
  'node:fs': /^src\/(platform|cli)\//,
  'node:fs/promises': /^src\/(cli\/|kv\/lmdb|platform\/node-(processes|fuse-mounts))/,
  'node:http': /^src\/gateway\//,
  'node:http2': /^src\/sharedlog\/etcd-/,
  'node:https': /^src\/gateway\/http\//,
  'node:net': /^src\/(gateway\/http|platform)\//,
  'node:os': /^src\/(platform|cli)\//,
  'node:process': /^src\/cli\//,
  'node:stream': /^src\/(cli|platform)\//,
  'node:timers/promises': /^src\/(platform|kv)\//,
  'node:tls': /^src\/(gateway\/http|client|cli|platform)\//,
  'node:v8': /^src\/(metadata\/result-codecs|platform\/node-heap)/,
  'node:vm': /^src\/platform\/node-heap/,
  'node:worker_threads': /^src\/platform\//,
  '@node-rs/crc32': /^src\/(chunk|kv|platform|gateway\/s3)\//,
  '@peculiar/x509': /^src\/(node\/make-certificate|cluster\/certificates)/,
  'fs-native-extensions': /^src\/platform\//,
  koffi: /^src\/platform\/node-libc/,
  lmdb: /^src\/kv\/lmdb/,
  pino: /^src\/observe\/pino-/,
  'prom-client': /^src\/observe\/prom-/,
  'reflect-metadata': /^src\/(node\/make-certificate|cluster\/certificates)/,
  saxes: /^src\/gateway\/xml\//,
  undici: /^src\/(client\/|etcd\/etcd-door)/,
  yaml: /^src\/(config|cli)\//,
  zod: /^src\/(config|access|gateway\/rest)\//,
}

/** Modules that only compute. */
export const HARMLESS_MODULES: readonly string[] = ['node:crypto', 'node:events', 'node:path', 'node:util']

export const SOURCE_LINES_MAX = 400
