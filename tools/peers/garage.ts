import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { REGION, SECRET_KEY } from './server.ts'

/** One node of Garage, of a cluster with so many copies of everything. Its configuration's file. */
export function writeGarageConfiguration(
  folder: string,
  node: {
    readonly name: string
    readonly copies: number
    readonly s3: number
    readonly rpc: number
    /** Flushes what it acknowledges. */
    readonly isFlushed: boolean
  },
): string {
  const { name, copies, s3, rpc, isFlushed } = node
  const file = join(folder, `${name}.toml`)
  const lines = [
    `metadata_dir = "${join(folder, `${name}-meta`)}"`,
    `data_dir = "${join(folder, `${name}-data`)}"`,
    'db_engine = "lmdb"',
    `metadata_fsync = ${isFlushed}`,
    `data_fsync = ${isFlushed}`,
    `replication_factor = ${copies}`,
    `rpc_secret = "${SECRET_KEY}"`,
    `rpc_bind_addr = "127.0.0.1:${rpc}"`,
    `rpc_public_addr = "127.0.0.1:${rpc}"`,
    '[s3_api]',
    `s3_region = "${REGION}"`,
    `api_bind_addr = "127.0.0.1:${s3}"`,
  ]
  writeFileSync(file, `${lines.join('\n')}\n`)
  return file
}
