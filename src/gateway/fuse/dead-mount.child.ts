// Mounts a file system in memory, prints where, and serves it until it is killed.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '#observe/log.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeFuseMounts } from '#platform/node-fuse-mounts.ts'
import { FuseMount } from './fuse-mount.ts'
import { MemoryOperations } from './memory-operations.suite.ts'

const directory = mkdtempSync(join(tmpdir(), 'shoal-dead-'))
await FuseMount.start({
  directory,
  source: 'shoal:dead',
  subtype: 'shoal',
  allowOther: true,
  defaultPermissions: true,
  readOnly: false,
  operations: new MemoryOperations(nodeClock),
  mounts: new NodeFuseMounts(),
  clock: nodeClock,
  log: silentLog,
})
console.log(directory)
