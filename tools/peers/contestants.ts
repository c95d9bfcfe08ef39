// Who is compared: how each is set to flush what it acknowledges, as far as it can be, and how it is started.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { NODE_FLAGS } from '../../bin/run-pinned.mjs'
import { writeGarageConfiguration } from './garage.ts'
import type { ProgramName } from './programs.ts'
import { ACCESS_KEY, administer, type Recipe, SECRET_KEY } from './server.ts'

export interface Contestant {
  readonly name: string
  /** The program that is needed; Shoal is this checkout. */
  readonly program: ProgramName | undefined
  /** A second program that is needed, to administer it. */
  readonly administrator?: ProgramName
  /** What is on the disk when it acknowledges a write: as it comes, and as it is set here. */
  readonly durability: {
    readonly byDefault: string
    readonly matched: string
    /** Whether the contents are, at least. */
    readonly flushes: { readonly byDefault: boolean; readonly matched: boolean }
  }
  readonly cook: (options: CookOptions) => Recipe
}

export interface CookOptions {
  readonly path: string
  readonly administratorPath: string | undefined
  readonly folder: string
  readonly ports: readonly number[]
  /** With its options for flushing, or as it comes. */
  readonly matched: boolean
}

export const CONTESTANTS: readonly Contestant[] = [
  {
    name: 'shoal',
    program: undefined,
    durability: {
      byDefault: 'contents and metadata flushed',
      matched: 'its default: contents and metadata flushed',
      flushes: { byDefault: true, matched: true },
    },
    cook: ({ folder, ports }) => ({
      command: [process.execPath, ...NODE_FLAGS, 'src/main.ts', 'serve', '--data', join(folder, 'data'), '--port', `${ports[0]}`],
      environment: { SHOAL_ROOT_ACCESS_KEY: ACCESS_KEY, SHOAL_ROOT_SECRET_KEY: SECRET_KEY, SHOAL_LOG_LEVEL: 'warn' },
      s3Ports: [(ports[0] ?? 0) + 1],
    }),
  },
  {
    name: 'minio',
    program: 'minio',
    durability: {
      byDefault: 'files flushed (fdatasync, or O_DSYNC when small), their names in folders not',
      matched: 'its default: files flushed, their names in folders not, for which it has no option',
      flushes: { byDefault: true, matched: true },
    },
    cook: ({ path, folder, ports }) => ({
      command: [path, 'server', '--quiet', '--address', `127.0.0.1:${ports[0]}`, join(folder, 'data')],
      environment: {
        MINIO_ROOT_USER: ACCESS_KEY,
        MINIO_ROOT_PASSWORD: SECRET_KEY,
        MINIO_BROWSER: 'off',
        MINIO_UPDATE: 'off',
      },
      s3Ports: [ports[0] ?? 0],
    }),
  },
  {
    name: 'seaweedfs',
    program: 'weed',
    durability: {
      byDefault: 'nothing flushed',
      matched: 'fs.configure -fsync: volumes flushed, and in newer releases the entries in its LevelDB too',
      flushes: { byDefault: false, matched: true },
    },
    cook: cookSeaweedfs,
  },
  {
    name: 'garage',
    program: 'garage',
    durability: {
      byDefault: 'nothing flushed',
      matched: 'metadata_fsync and data_fsync: LMDB, blocks and their folders flushed',
      flushes: { byDefault: false, matched: true },
    },
    cook: cookGarage,
  },
  {
    name: 'versitygw',
    program: 'versitygw',
    durability: {
      byDefault: 'nothing flushed',
      matched: 'none: nothing flushed, and it has no option for it',
      flushes: { byDefault: false, matched: false },
    },
    cook: ({ path, folder, ports }) => {
      mkdirSync(join(folder, 'data'))
      return {
        // Its own default closes each connection after one request, which would be held against it.
        command: [
          path,
          '--port',
          `127.0.0.1:${ports[0]}`,
          '--access',
          ACCESS_KEY,
          '--secret',
          SECRET_KEY,
          '--quiet',
          '--keep-alive',
          'posix',
          join(folder, 'data'),
        ],
        s3Ports: [ports[0] ?? 0],
      }
    },
  },
]

function cookSeaweedfs({ path, folder, ports, matched }: CookOptions): Recipe {
  const data = join(folder, 'data')
  mkdirSync(data)
  const keys = join(folder, 's3.json')
  const identity = {
    name: 'bench',
    credentials: [{ accessKey: ACCESS_KEY, secretKey: SECRET_KEY }],
    actions: ['Admin', 'Read', 'Write', 'List', 'Tagging'],
  }
  writeFileSync(keys, JSON.stringify({ identities: [identity] }))
  const [master, masterGrpc, volume, volumeGrpc, filer, filerGrpc, s3, s3Grpc] = ports
  let configured = !matched
  return {
    command: [
      path,
      'server',
      `-dir=${data}`,
      '-ip=127.0.0.1',
      '-ip.bind=127.0.0.1',
      '-master.telemetry=false',
      `-master.port=${master}`,
      `-master.port.grpc=${masterGrpc}`,
      // Its default of 8 volumes of 30 GB leaves a new bucket none.
      '-volume.max=100',
      '-master.volumeSizeLimitMB=1024',
      `-volume.port=${volume}`,
      `-volume.port.grpc=${volumeGrpc}`,
      '-filer',
      `-filer.port=${filer}`,
      `-filer.port.grpc=${filerGrpc}`,
      '-s3',
      `-s3.port=${s3}`,
      `-s3.port.grpc=${s3Grpc}`,
      '-s3.port.iceberg=0',
      '-s3.port.lance=0',
      `-s3.config=${keys}`,
    ],
    s3Ports: [s3 ?? 0],
    leftovers: [
      `/tmp/seaweedfs-master-grpc-${masterGrpc}.sock`,
      `/tmp/seaweedfs-volume-grpc-${volumeGrpc}.sock`,
      `/tmp/seaweedfs-filer-grpc-${filerGrpc}.sock`,
      `/tmp/seaweedfs-filer-${filer}.sock`,
      `/tmp/seaweedfs-s3-grpc-${s3Grpc}.sock`,
      `/tmp/seaweedfs-s3-${s3}.sock`,
    ],
    prepare() {
      if (configured) return
      const shell: [string, ...string[]] = [path, 'shell', `-master=127.0.0.1:${master}.${masterGrpc}`]
      const said = administer([...shell, `-filer=127.0.0.1:${filer}.${filerGrpc}`], folder, { input: FSYNC_EVERYTHING })
      configured = /"fsync": *true/.test(said)
    },
  }
}

const FSYNC_EVERYTHING = 'fs.configure -locationPrefix=/buckets/ -fsync -apply\nexit\n'

function cookGarage({ path, folder, ports, matched }: CookOptions): Recipe {
  const [s3 = 0, rpc = 0] = ports
  const configuration = writeGarageConfiguration(folder, { name: 'garage', copies: 1, s3, rpc, isFlushed: matched })
  const garage = (...args: readonly string[]): string => administer([path, '-c', configuration, ...args], folder)
  const steps = [
    () => garage('layout', 'assign', '-z', 'here', '-c', '100G', garage('node', 'id', '-q').trim().split('@')[0] ?? ''),
    () => garage('layout', 'apply', '--version', '1'),
    () => garage('key', 'import', '--yes', '-n', 'bench', ACCESS_KEY, SECRET_KEY),
    () => garage('key', 'allow', '--create-bucket', 'bench'),
  ]
  return {
    command: [path, '-c', configuration, 'server'],
    environment: { RUST_LOG: 'garage=warn' },
    s3Ports: [s3],
    prepare() {
      while (steps[0] !== undefined) {
        steps[0]()
        steps.shift()
      }
    },
  }
}
