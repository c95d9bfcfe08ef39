// npm run conformance:mount -- [--write-mode back|through] [--only NAME,…] [--pjdfstest TESTS] [--fsx PROGRAM] [--fsstress PROGRAM] [--ltp FOLDER]
// [--sources FOLDER]: what other people's programs find wrong in a mount of a node of its own (test/conformance/mount-proofs.ts). After each
// of them the mount is unmounted, mounted again with nothing of the first one, and must show the same. What needs a checkout, a program or
// a folder that isn't told, or a program that isn't there, is skipped, and said to be. Needs root.
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import type { ShoalClient } from '../src/client/shoal-client.ts'
import { LTP_PROOF, ltpProblems } from '../test/conformance/ltp.ts'
import { MOUNT_PROOFS, type MountProof, type ProofInput } from '../test/conformance/mount-proofs.ts'
import { SQLITE_KILLS, sqliteKills } from '../test/conformance/sqlite-kills.ts'
import { connect, MountedNode } from '../test/support/mounted-node.ts'
import { freePort, startNodeProcess } from '../test/support/node-process.ts'

const REPOSITORY = fileURLToPath(new URL('..', import.meta.url))
const TAIL_LINES = 25
const SUMMARY_LINES = 3
/** Of what a mount shows: of directories, times are the cluster's own. */
const SHOWN = `
  find . -mindepth 1 -type d -printf '%P %m %U:%G\\n' | sort
  find . ! -type d -printf '%P %y %m %U:%G %s %T@ %n %l\\n' | sort
  find . -type f -print0 | sort -z | xargs -0 -r sha256sum`

const { values } = parseArgs({
  options: {
    'write-mode': { type: 'string', default: 'back' },
    only: { type: 'string' },
    pjdfstest: { type: 'string' },
    fsx: { type: 'string' },
    fsstress: { type: 'string' },
    ltp: { type: 'string' },
    sources: { type: 'string' },
  },
})
const only = values.only?.split(',')
const work = mkdtempSync(join(tmpdir(), 'shoal-proofs-'))
// Servers that run as others enter it.
chmodSync(work, 0o711)
const node = await startNodeProcess({ data: join(work, 'data'), port: await freePort() })
const client = connect(node.origin)
let failures = 0
try {
  for (const proof of [...MOUNT_PROOFS, LTP_PROOF, SQLITE_KILLS]) {
    if (only !== undefined && !only.some((name) => proof.name === name || proof.name.startsWith(`${name}-`))) continue
    const missing = missingFor(proof)
    if (missing !== undefined) {
      console.log(`${proof.name}: skipped, ${missing}`)
      continue
    }
    const startMs = performance.now()
    const problem = await see(proof).catch((error: unknown) => (error instanceof Error ? error.message : String(error)))
    const seconds = ((performance.now() - startMs) / 1000).toFixed(0)
    console.log(`${proof.name}: ${problem ?? 'nothing wrong'} (${seconds} s)`)
    if (problem !== undefined) failures += 1
  }
} finally {
  await client.close()
  await node.stop()
  if (failures === 0) rmSync(work, { recursive: true, force: true })
  else console.log(`What they printed is in ${work}.`)
}
if (failures > 0) process.exitCode = 1

function missingFor({ input, programs }: MountProof): string | undefined {
  if (input !== undefined && values[input] === undefined) return `--${input} isn't told`
  const absent = programs.filter((program) => spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0)
  return absent.length === 0 ? undefined : `not there: ${absent.join(', ')}`
}

/** What is wrong, if something is. */
async function see(proof: MountProof): Promise<string | undefined> {
  const volume = proof.name
  const folder = join(work, volume)
  mkdirSync(join(folder, 'scratch'), { recursive: true })
  await client.createVolume(volume)
  const first = mountAt(volume, join(folder, 'first'))
  const second = mountAt(volume, join(folder, 'second'))
  try {
    await first.mount()
    const problem = await (proof === SQLITE_KILLS ? sqliteKills(first) : run(proof, { mounted: first, folder }))
    if (problem !== undefined) return problem
    const shown = await bash(SHOWN, { mounted: first, folder, name: 'shown-first' })
    await first.unmount()
    await second.mount()
    const again = await bash(SHOWN, { mounted: second, folder, name: 'shown-second' })
    await second.unmount()
    if (again.printed !== shown.printed || shown.ended !== undefined)
      return 'Another mount shows something else, see "shown-second"'
    return await conflictsIn(client, volume)
  } finally {
    await first.remove()
    await second.remove()
    rmSync(join(folder, 'scratch'), { recursive: true, force: true })
  }
}

function mountAt(volume: string, state: string): MountedNode {
  const flags = ['--allow-other', '--write-mode', values['write-mode']]
  return new MountedNode({ endpoint: node.origin, volume, state, flags })
}

async function run(
  proof: MountProof,
  where: { readonly mounted: MountedNode; readonly folder: string },
): Promise<string | undefined> {
  const input = proof.input === undefined ? '' : resolve(values[proof.input satisfies ProofInput] as string)
  const environment = { T: join(where.folder, 'scratch'), REPOSITORY, INPUT: input }
  const { printed, ended } = await bash(proof.script, { ...where, name: 'output', minutesMax: proof.minutesMax, environment })
  const lines = printed.trimEnd().split('\n')
  if (ended !== undefined) return `ended with ${ended}:\n${lines.slice(-TAIL_LINES).join('\n')}`
  if (proof === LTP_PROOF) return ltpProblems(printed)
  console.log(lines.slice(-SUMMARY_LINES).join('\n'))
  return undefined
}

interface Script {
  readonly mounted: MountedNode
  readonly folder: string
  /** Of the file that takes what it prints. */
  readonly name: string
  readonly minutesMax?: number
  readonly environment?: Readonly<Record<string, string>>
}

/** How it ended, if not well. Its children end with it. */
async function bash(
  script: string,
  { mounted, folder, name, minutesMax = 10, environment = {} }: Script,
): Promise<{ readonly printed: string; readonly ended: string | undefined }> {
  const output = join(folder, name)
  const log = openSync(output, 'w')
  const child = spawn('bash', ['-eu', '-o', 'pipefail', '-c', `cd "$M"\n${script}`], {
    env: { ...process.env, LC_ALL: 'C', M: mounted.directory, ...environment },
    stdio: ['ignore', log, log],
    detached: true,
  })
  const timer = setTimeout(() => process.kill(-(child.pid as number), 'SIGKILL'), minutesMax * 60_000)
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null]
  clearTimeout(timer)
  closeSync(log)
  return { printed: readFileSync(output, 'utf8'), ended: code === 0 ? undefined : String(code ?? signal) }
}

/** Nobody else has changed anything. */
async function conflictsIn(from: ShoalClient, volume: string): Promise<string | undefined> {
  const paths: string[] = []
  for await (const { path } of from.list(volume, '', { recursive: true }))
    if (/\.conflict-|(^|\/)\.shoal-removed-/.test(path)) paths.push(path)
  return paths.length === 0 ? undefined : `These are left in the volume: ${paths.slice(0, 5).join(', ')}`
}
