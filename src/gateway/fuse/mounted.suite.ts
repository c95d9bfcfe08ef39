// Mounts of one test each, by the kernel of this machine. Only tests import it.
import { execFile } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { promisify } from 'node:util'
import { silentLog } from '#observe/log.ts'
import type { MountOptions } from '#platform/fuse-device.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { NodeFuseMounts } from '#platform/node-fuse-mounts.ts'
import { FuseMount, type FuseMountOptions } from './fuse-mount.ts'
import type { FuseOperations } from './protocol/operations.ts'

const TOOL_MS_MAX = 60_000
const LEAVE_MS = 2_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

/** Why tests of real mounts can't run here; `false` if they can. */
export const noMounts: string | false = reasonAgainstMounts()

export interface Mounted {
  readonly directory: string
  readonly mount: FuseMount
  /** Runs a shell script in the mount and answers what it printed. It fails at the first command that does. */
  sh(script: string): Promise<string>
}

/** Mounts `operations` in a folder of its own until the test is over. */
export async function mounted(
  t: TestContext,
  operations: FuseOperations,
  {
    mounts = new NodeFuseMounts(),
    ...more
  }: { readonly mounts?: NodeFuseMounts } & Partial<MountOptions> & Pick<FuseMountOptions, 'features'> = {},
): Promise<Mounted> {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-mount-'))
  const mount = await FuseMount.start({
    directory,
    source: 'shoal:test',
    subtype: 'shoal',
    allowOther: true,
    defaultPermissions: true,
    readOnly: false,
    operations,
    mounts,
    clock: nodeClock,
    log: silentLog,
    features: ['FLOCK_LOCKS'],
    ...more,
  })
  t.after(async () => {
    await mount.unmount({ lazy: true }).catch(() => undefined)
    // Mount namespaces that others have made meanwhile have it still.
    const enough = new AbortController()
    nodeClock.sleep(LEAVE_MS, enough.signal).then(
      () => mount.abandon(),
      () => undefined,
    )
    await mount.ended
    enough.abort()
    rmdirSync(directory)
  })
  return { directory, mount, sh: (script) => shell(script, directory) }
}

/** Whoever serves the mount must not wait for it. So bash changes its folder by itself: Node waits until a child that it gave a
 *  folder to has entered it. */
export async function shell(script: string, directory: string): Promise<string> {
  const options = { timeout: TOOL_MS_MAX, maxBuffer: OUTPUT_BYTES_MAX, env: { ...process.env, LC_ALL: 'C' } }
  const line = ['-eu', '-o', 'pipefail', '-c', `cd "$0"\n${script}`, directory]
  const { stdout } = await promisify(execFile)('bash', line, options)
  return stdout
}

function reasonAgainstMounts(): string | false {
  if (process.getuid?.() !== 0) return 'only root may mount'
  try {
    accessSync('/dev/fuse', constants.R_OK | constants.W_OK)
    return false
  } catch {
    return 'there is no /dev/fuse'
  }
}
