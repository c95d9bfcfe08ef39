import { join } from 'node:path'
import { ShoalError } from '#foundation/errors.ts'
import type { Clock } from '#platform/clock.ts'
import type { Files } from '#platform/files.ts'
import type { Child, Processes } from '#platform/processes.ts'
import type { Random } from '#platform/random.ts'

const PIECE_BYTES = 1024 * 1024
/** Ports that nobody keeps for long; a few tries find a free pair. */
const PORT_MIN = 20_000
const PORT_RANGE = 10_000
const TRIES_MAX = 5
/** It reads all of its log. */
const READY_MS_MAX = 60_000
const LOOK_MS = 100
const STOP_MS = 10_000

export interface LoneEtcdOptions {
  /** What a member has kept, and where a copy of it is to be put: the member itself is left as it is. */
  readonly memberPath: string
  readonly copyPath: string
  readonly name: string
  /** In PEM: the member's own pair, and who certifies others. */
  readonly tls: { readonly certFile: string; readonly keyFile: string; readonly caFile: string }
  readonly isReady: (endpoint: string) => Promise<boolean>
  readonly files: Files
  readonly processes: Processes
  readonly clock: Clock
  readonly random: Random
}

/** A copy of one member of an etcd whose majority is lost, running as a cluster of its own that nobody else can reach: to see what it has.
 *  What it had and didn't know yet to be on a majority is not in it. */
export class LoneEtcd {
  readonly endpoint: string
  readonly #child: Child
  readonly #options: LoneEtcdOptions

  /** @throws UNAVAILABLE, NO_SPACE, STORAGE_FAILED */
  static async start(options: LoneEtcdOptions): Promise<LoneEtcd> {
    const { memberPath, copyPath, files, processes } = options
    const program = await processes.find('etcd')
    if (program === undefined)
      throw new ShoalError(
        'UNAVAILABLE',
        'There is no program "etcd" on the PATH, which reads what etcd has kept here: install it',
      )
    await removeTree(files, copyPath)
    await copyTree(files, memberPath, copyPath)
    let said = ''
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const etcd = await LoneEtcd.#run(options, program, (line) => (said = line))
      if (etcd !== undefined) return etcd
    }
    throw new ShoalError('UNAVAILABLE', `etcd could not be started on what it has kept in "${memberPath}": ${said}`)
  }

  static async #run(
    options: LoneEtcdOptions,
    program: string,
    onErrorLine: (line: string) => void,
  ): Promise<LoneEtcd | undefined> {
    const { processes, clock, random, copyPath, name, tls, isReady } = options
    const port = PORT_MIN + 2 * (random.bytes(2).readUInt16BE() % (PORT_RANGE / 2))
    const endpoint = `https://127.0.0.1:${port}`
    const child = await processes.start({
      program,
      args: [
        ...['--force-new-cluster', `--name=${name}`, `--data-dir=${copyPath}`],
        ...[`--listen-client-urls=${endpoint}`, `--advertise-client-urls=${endpoint}`],
        `--listen-peer-urls=https://127.0.0.1:${port + 1}`,
        ...[`--cert-file=${tls.certFile}`, `--key-file=${tls.keyFile}`, `--trusted-ca-file=${tls.caFile}`],
        ...['--client-cert-auth=true', '--peer-client-cert-auth=true'],
        ...[`--peer-cert-file=${tls.certFile}`, `--peer-key-file=${tls.keyFile}`, `--peer-trusted-ca-file=${tls.caFile}`],
        ...['--logger=zap', '--log-outputs=stderr', '--log-level=error'],
      ],
      environment: processes.architecture === 'amd64' ? {} : { ETCD_UNSUPPORTED_ARCH: processes.architecture },
      onErrorLine,
    })
    const etcd = new LoneEtcd(endpoint, child, options)
    let hasEnded = false
    void child.ended.then(() => (hasEnded = true))
    for (const endMs = clock.monotonicMs() + READY_MS_MAX; clock.monotonicMs() < endMs; await clock.sleep(LOOK_MS)) {
      if (hasEnded) return undefined
      if (await isReady(endpoint)) return etcd
    }
    await etcd.stop()
    return undefined
  }

  private constructor(endpoint: string, child: Child, options: LoneEtcdOptions) {
    this.endpoint = endpoint
    this.#child = child
    this.#options = options
  }

  /** The copy is removed with it. */
  async stop(): Promise<void> {
    const { clock, files, copyPath } = this.#options
    this.#child.signal('SIGKILL')
    const late = new AbortController()
    await Promise.race([this.#child.ended, clock.sleep(STOP_MS, late.signal).catch(() => {})])
    late.abort()
    await removeTree(files, copyPath)
  }
}

async function copyTree(files: Files, from: string, to: string): Promise<void> {
  await files.makeFolder(to, 0o700)
  for (const name of (await files.list(from)) ?? []) {
    const [source, target] = [join(from, name), join(to, name)]
    if ((await files.facts(source))?.kind === 'folder') await copyTree(files, source, target)
    else await copyFile(files, source, target)
  }
}

async function copyFile(files: Files, from: string, to: string): Promise<void> {
  const source = await files.open(from, 'read')
  try {
    const target = await files.open(to, 'create', 0o600)
    try {
      const piece = Buffer.allocUnsafe(PIECE_BYTES)
      for (let at = 0, length = await source.read(piece, 0); length > 0; length = await source.read(piece, at)) {
        await target.write([piece.subarray(0, length)], at)
        at += length
      }
    } finally {
      await target.close()
    }
  } finally {
    await source.close()
  }
}

/** Folders stay, empty: what runs there next takes them for none. */
async function removeTree(files: Files, path: string): Promise<void> {
  for (const name of (await files.list(path)) ?? []) {
    const child = join(path, name)
    if ((await files.facts(child))?.kind === 'folder') await removeTree(files, child)
    else await files.remove(child)
  }
}
