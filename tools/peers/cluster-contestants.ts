// The same on three nodes, each in processes of its own on this machine: how each keeps what it acknowledges on several of them.

import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import type { Contestant, CookOptions } from './contestants.ts'
import { writeGarageConfiguration } from './garage.ts'
import { isInOwnNetwork, OWN_ADDRESS } from './own-network.ts'
import { ACCESS_KEY, administer, BUCKET, type Recipe, SECRET_KEY } from './server.ts'

const NODES = [0, 1, 2] as const
const ZONES = ['a', 'b', 'c'] as const
const MINIO_SETTLE_SECONDS = 15
/** Of Shoal: a node has its base port and seven more. */
const PORTS_EACH = 8

export const CLUSTER_CONTESTANTS: readonly Contestant[] = [
  {
    name: 'shoal',
    program: undefined,
    durability: {
      byDefault: 'three copies of contents, acknowledged by two; metadata by two of three etcds; all flushed',
      matched: 'its default: three copies of contents, acknowledged by two; metadata by two of three etcds; all flushed',
      flushes: { byDefault: true, matched: true },
    },
    cook: cookShoal,
  },
  {
    name: 'minio',
    program: 'minio',
    durability: {
      byDefault: 'three nodes with a drive each; files flushed, their names in folders not',
      matched:
        'three nodes with a drive each: no copies, which it does not have, but two pieces and one of parity (EC:1, its default for three drives), so one and a half times the bytes, of which the loss of any one node is survived; files flushed, their names in folders not',
      flushes: { byDefault: true, matched: true },
    },
    cook: (options) => cookMinio(options, 1),
  },
  {
    name: 'minio-ec3',
    program: 'minio',
    durability: {
      byDefault: 'three nodes with two drives each; files flushed, their names in folders not',
      matched:
        'three nodes with two drives each, three pieces and three of parity (EC:3, its default for six drives, and the most it can), so twice the bytes, of which the loss of any one node and one drive more is survived; files flushed, their names in folders not',
      flushes: { byDefault: true, matched: true },
    },
    cook: (options) => cookMinio(options, 2),
  },
  {
    name: 'minio-sites',
    program: 'minio',
    administrator: 'mc',
    durability: {
      byDefault:
        'three sites with a drive each, replication as it comes: acknowledged when it is at one, the two others get it soon after; files flushed, their names in folders not',
      matched:
        'three sites with a drive each, synchronous replication: acknowledged when the two others were sent it and have answered, and also when one of them failed or could not be reached, so three copies while all three run and else fewer; files flushed, their names in folders not; deletions reach the others later',
      flushes: { byDefault: true, matched: true },
    },
    cook: cookMinioSites,
  },
  {
    name: 'seaweedfs',
    program: 'weed',
    durability: {
      byDefault: 'nothing flushed',
      matched:
        'replication 002, so three copies, acknowledged by all; fs.configure -fsync; names and attributes in the LevelDB of one filer, so one copy',
      flushes: { byDefault: false, matched: true },
    },
    cook: cookSeaweedfs,
  },
  {
    name: 'garage',
    program: 'garage',
    durability: {
      byDefault: 'three copies of everything, acknowledged by two; nothing flushed',
      matched: 'replication_factor 3, consistent: three copies of everything, acknowledged by two; metadata_fsync and data_fsync',
      flushes: { byDefault: false, matched: true },
    },
    cook: cookGarage,
  },
]

/** A command as the shell takes it. None of the words has a quote in it. */
const line = (...words: readonly (string | number)[]): string =>
  words.map((word) => (/[^\w./:=,@-]/.test(`${word}`) ? `'${word}'` : word)).join(' ')

/** A shell that leads the group, runs what there is to run, and ends with it. */
function script(folder: string, lines: readonly string[]): Pick<Recipe, 'command' | 'shown'> {
  const path = join(folder, 'start.sh')
  writeFileSync(path, `${[...lines, 'wait'].join('\n')}\n`)
  return { command: ['/bin/sh', path], shown: lines.join('\n') }
}

/** Does the steps that are left, in order; what fails is tried again the next time. */
function inSteps(steps: (() => void)[]): () => void {
  return () => {
    while (steps[0] !== undefined) {
      steps[0]()
      steps.shift()
    }
  }
}

function cookShoal({ folder, ports }: CookOptions): Recipe {
  const base = (at: number): number => ports[at * PORTS_EACH] ?? 0
  const shoal = [process.execPath, ...NODE_FLAGS, 'src/main.ts']
  const serve = (at: 0 | 1 | 2, ...flags: string[]): string =>
    line(...shoal, 'serve', '--data', join(folder, `${at}`), '--port', base(at), '--zone', ZONES[at], ...flags)
  const endpoint = { SHOAL_ENDPOINT: `http://127.0.0.1:${base(0)}`, SHOAL_ACCESS_KEY: ACCESS_KEY, SHOAL_SECRET_KEY: SECRET_KEY }
  const ask = (...args: string[]): string =>
    administer([process.execPath, 'src/main.ts', ...args], folder, { environment: endpoint })
  const expect = (what: RegExp, ...args: string[]): void => {
    const said = ask(...args)
    if (!what.test(said)) throw new Error(`shoal ${args.join(' ')} says ${said}`)
  }
  return {
    ...script(folder, [
      `${serve(0, '--cluster')} &`,
      `until SHOAL_TOKEN=$(${line(...shoal, 'cluster', 'token', '--uses', '2')} | tail -n 1) && [ -n "$SHOAL_TOKEN" ]; do sleep 0.2; done`,
      'export SHOAL_TOKEN; unset SHOAL_ROOT_ACCESS_KEY SHOAL_ROOT_SECRET_KEY',
      `${serve(1)} &`,
      `${serve(2)} &`,
    ]),
    environment: {
      ...endpoint,
      SHOAL_ROOT_ACCESS_KEY: ACCESS_KEY,
      SHOAL_ROOT_SECRET_KEY: SECRET_KEY,
      SHOAL_LOG_LEVEL: 'warn',
    },
    s3Ports: NODES.map((at) => base(at) + 1),
    prepare: inSteps([
      () => expect(/3 of 3 voters of etcd answer/, 'status'),
      () => expect(/complete/, 'class', 'show', 'default'),
    ]),
  }
}

const MINIO_ENVIRONMENT = {
  MINIO_ROOT_USER: ACCESS_KEY,
  MINIO_ROOT_PASSWORD: SECRET_KEY,
  MINIO_BROWSER: 'off',
  MINIO_UPDATE: 'off',
  // Drives of one disk are refused otherwise.
  MINIO_CI_CD: '1',
}

/** In a container it refuses nodes on 127.0.0.0/8: it takes them for others that it can't find yet. */
function cookMinio({ path, folder, ports }: CookOptions, drives: number): Recipe {
  if (!isInOwnNetwork()) throw new Error('three nodes of it on one machine need a network of their own, so root, unshare and ip')
  const portOf = (at: number): number => ports[at] ?? 0
  const everyDrive = NODES.flatMap((at) =>
    Array.from({ length: drives }, (_, drive) => `http://${OWN_ADDRESS}:${portOf(at)}${join(folder, `${at}`, `drive-${drive}`)}`),
  )
  return {
    ...script(
      folder,
      // Of all addresses that the network of its own has.
      NODES.map((at) => `${line(path, 'server', '--quiet', '--address', `:${portOf(at)}`, ...everyDrive)} &`),
    ),
    environment: MINIO_ENVIRONMENT,
    s3Ports: NODES.map(portOf),
    // Until its nodes have found each other it refuses now and then what it took before.
    prepare: inSteps([() => void administer(['sleep', `${MINIO_SETTLE_SECONDS}`], folder)]),
  }
}

/** Three deployments of one drive, each of which replicates all of every bucket to the two others. */
function cookMinioSites({ path, administratorPath = 'mc', folder, ports, matched }: CookOptions): Recipe {
  if (!isInOwnNetwork()) throw new Error('three sites of it on one machine need a network of their own, so root, unshare and ip')
  const driveOf = (at: number): string => join(folder, `${at}`)
  const portOf = (at: number): number => ports[at] ?? 0
  const aliases = Object.fromEntries(
    NODES.map((at) => [`MC_HOST_site${at}`, `http://${ACCESS_KEY}:${SECRET_KEY}@${OWN_ADDRESS}:${portOf(at)}`]),
  )
  const mc = (args: readonly string[], input = ''): string =>
    administer([administratorPath, '--json', ...args], folder, { input, environment: aliases })
  const sitesAsSeenAt = (at: number): readonly MinioSite[] =>
    (JSON.parse(mc(['admin', 'replicate', 'info', `site${at}`])) as { readonly sites: readonly MinioSite[] }).sites
  return {
    ...script(
      folder,
      NODES.map((at) => `${line(path, 'server', '--quiet', '--address', `:${portOf(at)}`, driveOf(at))} &`),
    ),
    environment: MINIO_ENVIRONMENT,
    s3Ports: NODES.map(portOf),
    prepare: inSteps([
      ...NODES.map((at) => () => void mc(['ready', `site${at}`])),
      () => void mc(['admin', 'replicate', 'add', ...NODES.map((at) => `site${at}`)]),
      // Each site has a mode of its own for each other one, which counts for buckets that are made later.
      ...(matched ? NODES : []).map((at) => () => {
        const others = (): readonly MinioSite[] => sitesAsSeenAt(at).filter(({ name }) => name !== `site${at}`)
        for (const { deploymentID } of others())
          mc(['admin', 'replicate', 'update', `site${at}`, '--deployment-id', deploymentID, '--mode', 'sync'])
        if (others().some(({ sync }) => sync !== 'enable')) throw new Error(`site ${at} doesn't replicate synchronously`)
      }),
      () => void mc(['mb', '--ignore-existing', `site0/${BUCKET}`]),
      ...(matched ? NODES : []).map((at) => () => {
        const key = randomUUID()
        mc(['pipe', `site${at}/${BUCKET}/${key}`], 'ready')
        const without = NODES.filter((other) => !existsSync(join(driveOf(other), BUCKET, key)))
        if (without.length > 0) throw new Error(`what site ${at} acknowledged isn't at ${without.join(' and ')}`)
      }),
    ]),
  }
}

interface MinioSite {
  readonly name: string
  readonly deploymentID: string
  readonly sync: string
}

function cookSeaweedfs({ path, folder, ports, matched }: CookOptions): Recipe {
  const keys = join(folder, 's3.json')
  const identity = {
    name: 'bench',
    credentials: [{ accessKey: ACCESS_KEY, secretKey: SECRET_KEY }],
    actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
  }
  writeFileSync(keys, JSON.stringify({ identities: [identity] }))
  for (const name of ['master', 'filer', ...NODES.map(String)]) mkdirSync(join(folder, name))
  const [master, masterGrpc, filer, filerGrpc, ...rest] = ports as [number, number, number, number, ...number[]]
  const portsOf = (at: number): readonly number[] => rest.slice(at * 4, at * 4 + 4)
  const local = ['-ip=127.0.0.1', '-ip.bind=127.0.0.1']
  const masterAt = `127.0.0.1:${master}.${masterGrpc}`
  const filerAt = `127.0.0.1:${filer}.${filerGrpc}`
  const node = (at: 0 | 1 | 2): string[] => {
    const [volume, volumeGrpc, s3, s3Grpc] = portsOf(at)
    return [
      // Copies of "002" are on other servers of one rack.
      `${line(path, 'volume', ...local, `-dir=${join(folder, `${at}`)}`, `-port=${volume}`, `-port.grpc=${volumeGrpc}`, `-master=${masterAt}`, '-max=100')} &`,
      `${line(path, 's3', '-ip.bind=127.0.0.1', `-port=${s3}`, `-port.grpc=${s3Grpc}`, '-port.iceberg=0', '-port.lance=0', `-filer=${filerAt}`, `-config=${keys}`)} &`,
    ]
  }
  return {
    ...script(folder, [
      `${line(path, 'master', ...local, '-telemetry=false', `-mdir=${join(folder, 'master')}`, `-port=${master}`, `-port.grpc=${masterGrpc}`, '-volumeSizeLimitMB=1024', '-defaultReplication=002')} &`,
      `${line(path, 'filer', ...local, `-port=${filer}`, `-port.grpc=${filerGrpc}`, `-master=${masterAt}`, '-defaultReplicaPlacement=002', `-defaultStoreDir=${join(folder, 'filer')}`)} &`,
      ...NODES.flatMap(node),
    ]),
    s3Ports: NODES.map((at) => portsOf(at)[2] ?? 0),
    leftovers: [masterGrpc, filerGrpc, ...rest].flatMap((port) =>
      ['master-grpc', 'volume-grpc', 'filer-grpc', 'filer', 's3-grpc', 's3'].map((what) => `/tmp/seaweedfs-${what}-${port}.sock`),
    ),
    prepare: inSteps(
      matched
        ? [
            () => {
              const said = administer([path, 'shell', `-master=${masterAt}`, `-filer=${filerAt}`], folder, {
                input: FSYNC_EVERYTHING,
              })
              if (!/"fsync": *true/.test(said)) throw new Error(`weed shell says ${said}`)
            },
          ]
        : [],
    ),
  }
}

const FSYNC_EVERYTHING = 'fs.configure -locationPrefix=/buckets/ -fsync -replication=002 -apply\nexit\n'

function cookGarage({ path, folder, ports, matched }: CookOptions): Recipe {
  const portsOf = (at: number): { readonly s3: number; readonly rpc: number } => ({
    s3: ports[at * 2] ?? 0,
    rpc: ports[at * 2 + 1] ?? 0,
  })
  const configurations = NODES.map((at) => {
    const { s3, rpc } = portsOf(at)
    return writeGarageConfiguration(folder, { name: `garage-${at}`, copies: 3, s3, rpc, isFlushed: matched })
  })
  const garage = (at: number, ...args: readonly string[]): string =>
    administer([path, '-c', configurations[at] as string, ...args], folder)
  // ID@HOST:PORT
  const nameOf = (at: number): string => garage(at, 'node', 'id', '-q').trim()
  return {
    ...script(
      folder,
      configurations.map((file) => `${line(path, '-c', file, 'server')} &`),
    ),
    environment: { RUST_LOG: 'garage=warn' },
    s3Ports: NODES.map((at) => portsOf(at).s3),
    prepare: inSteps([
      ...[1, 2].map((at) => () => void garage(0, 'node', 'connect', nameOf(at))),
      ...NODES.map((at) => () => {
        garage(0, 'layout', 'assign', '-z', ZONES[at], '-c', '100G', nameOf(at).split('@')[0] ?? '')
      }),
      () => void garage(0, 'layout', 'apply', '--version', '1'),
      () => void garage(0, 'key', 'import', '--yes', '-n', 'bench', ACCESS_KEY, SECRET_KEY),
      () => void garage(0, 'key', 'allow', '--create-bucket', 'bench'),
      // One that is made at one node is not always known at another when it begins to write.
      () => void garage(0, 'bucket', 'create', BUCKET),
      () => void garage(0, 'bucket', 'allow', '--read', '--write', '--owner', '--key', 'bench', BUCKET),
    ]),
  }
}
