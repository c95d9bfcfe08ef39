// A real etcd in a process of its own, on loopback, in a folder that goes with it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { request } from 'undici'
import { freePort } from './node-process.ts'

const READY_WITHIN_MS = 20_000

export interface EtcdProcess {
  readonly endpoint: string
  /** SIGKILL. */
  kill(): Promise<void>
  /** On the same ports, with what it had. */
  start(): Promise<void>
  /** A call of its JSON door. */
  call(path: string, body: object): Promise<unknown>
  /** Kills it and removes its folder. */
  dispose(): Promise<void>
}

export async function startEtcdProcess(flags: readonly string[] = []): Promise<EtcdProcess> {
  const folder = await mkdtemp(join(tmpdir(), 'shoal-etcd-'))
  const port = await freePort()
  const scheme = flags.includes('--cert-file') ? 'https' : 'http'
  const [endpoint, peer] = [`${scheme}://127.0.0.1:${port}`, `http://127.0.0.1:${port + 1}`]
  const everything = [
    ...['--name', 'one', '--data-dir', join(folder, 'data'), '--logger', 'zap', '--log-level', 'error'],
    ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
    ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `one=${peer}`],
    ...flags,
  ]
  let child = spawn('etcd', everything, { stdio: 'ignore' })
  const isReady = (): Promise<boolean> =>
    scheme === 'https'
      ? delay(1_500, true)
      : request(`${endpoint}/health`).then(
          async ({ body }) => (await body.text()).includes('true'),
          () => false,
        )
  const ready = async (): Promise<void> => {
    for (const endMs = Date.now() + READY_WITHIN_MS; !(await isReady()); await delay(50)) {
      if (Date.now() > endMs || child.exitCode !== null) throw new Error(`etcd did not start on ${endpoint}`)
    }
  }
  const kill = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const exit = once(child, 'exit')
    child.kill('SIGKILL')
    await exit
  }
  await ready()
  return {
    endpoint,
    kill,
    async start() {
      child = spawn('etcd', everything, { stdio: 'ignore' })
      await ready()
    },
    async call(path, body) {
      const answer = await request(`${endpoint}/v3/${path}`, { method: 'POST', body: JSON.stringify(body) })
      return answer.body.json()
    },
    async dispose() {
      await kill()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
