// Mounts a file system in memory, prints where, and serves it until it is unmounted or killed. Argument: how many milliseconds the
// kernel may remember what it was told, 1,000 unless given.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeFuseMounts } from '#platform/node-fuse-mounts.ts'
import { FuseMount } from './fuse-mount.ts'
import { MemoryOperations } from './memory-operations.suite.ts'

const validMs = Number(process.argv[2] ?? 1000)
const directory = mkdtempSync(join(tmpdir(), 'shoal-memory-'))
const mount = await FuseMount.start({
  directory,
  source: 'shoal:memory',
  subtype: 'shoal',
  allowOther: true,
  defaultPermissions: true,
  readOnly: false,
  operations: new MemoryOperations(nodeClock, { validMs }),
  mounts: new NodeFuseMounts(),
  clock: nodeClock,
  log: silentLog,
})
console.log(directory)
await mount.ended
