// npm run bench node [SECTION …]: a real node against floors and peers in the same run. Sections: put-large get-large
// small cp memory. Needs curl, and nginx for get-large; /dev/shm for the source file, so that reading it costs no disk.

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  ACCESS_KEY,
  AUTHORIZATION,
  freePort,
  type NodeProcess,
  SECRET_KEY,
  startNodeProcess,
} from '../test/support/node-process.ts'
import { type HttpLoad, measureHttpLoad } from './support/http-load.ts'

const GIB = 1024 ** 3
const ROUNDS = 3
const SOURCE = '/dev/shm/shoal-bench-source'
const CREDENTIALS = `${ACCESS_KEY}:${SECRET_KEY}`

const work = mkdtempSync(join(process.env['BENCH_DIR'] ?? '/var/tmp', 'shoal-bench-'))

async function main(): Promise<void> {
  const sections: Record<string, (node: NodeProcess) => Promise<void>> = {
    memory,
    'put-large': putLarge,
    'get-large': getLarge,
    small,
    cp,
  }
  const wanted = process.argv.slice(2)
  writeRandom(SOURCE, GIB)
  const node = await startNodeProcess({ data: join(work, 'data'), port: await freePort() })
  try {
    curl(['-X', 'PUT', `${node.origin}/api/v1/volumes/bench`])
    for (const [name, run] of Object.entries(sections)) {
      if (wanted.length > 0 && !wanted.includes(name)) continue
      console.log(`\n${name}`)
      await run(node)
    }
  } finally {
    await node.kill()
    rmSync(work, { recursive: true, force: true })
    rmSync(SOURCE, { force: true })
  }
}

async function putLarge(node: NodeProcess): Promise<void> {
  const own: number[] = []
  const floor: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    floor.push(
      timed(() => execFileSync('dd', [`if=${SOURCE}`, `of=${join(work, 'dd')}`, 'bs=1M', 'conv=fdatasync', 'status=none'])),
    )
    rmSync(join(work, 'dd'))
    freshen()
    own.push(timed(() => curl(['-T', SOURCE, `${node.origin}/api/v1/volumes/bench/files/large${round}`])))
  }
  compare('PUT 1 GiB durable', { own, floor, floorName: 'dd bs=1M conv=fdatasync', amount: GIB / 1e6, unit: 'MB/s' })
}

async function getLarge(node: NodeProcess): Promise<void> {
  curl(['-T', SOURCE, `${node.origin}/api/v1/volumes/bench/files/served`])
  const nginx = await startNginx()
  try {
    const own: number[] = []
    const floor: number[] = []
    for (let round = 0; round < ROUNDS + 1; round += 1) {
      const peerSeconds = timed(() => curl([`http://127.0.0.1:${nginx.port}/served`]))
      const ownSeconds = timed(() => curl([`${node.origin}/api/v1/volumes/bench/files/served`]))
      // The first round warms the page cache.
      if (round > 0) {
        floor.push(peerSeconds)
        own.push(ownSeconds)
      }
    }
    compare('GET 1 GiB, page cache warm', { own, floor, floorName: 'nginx, sendfile on', amount: GIB / 1e6, unit: 'MB/s' })
  } finally {
    nginx.child.kill()
  }
}

async function small(node: NodeProcess): Promise<void> {
  const body = Buffer.alloc(1024, 0x61)
  const bare = createServer((request, response) => {
    request.on('data', () => {})
    request.on('end', () => {
      if (request.method === 'GET') response.writeHead(200, ['Content-Length', '1024']).end(body)
      else response.writeHead(201, ['Content-Length', '0']).end()
    })
  })
  bare.listen(0, '127.0.0.1')
  await once(bare, 'listening')
  const load = {
    paths: 100_000,
    connections: 64,
    warmUpMs: 2_000,
    measureMs: 5_000,
    bodyBytes: 1024,
    authorization: AUTHORIZATION,
  }
  const own = { ...load, port: Number(new URL(node.origin).port), path: '/api/v1/volumes/bench/files/small/f' }
  const floor = { ...load, port: (bare.address() as AddressInfo).port, path: '/f' }
  for (const method of ['PUT', 'GET'] as const) {
    const measure = (one: Omit<HttpLoad, 'method'>) =>
      measureHttpLoad({ ...one, paths: method === 'GET' ? 5_000 : one.paths, method })
    const floorRate = await measure(floor)
    const ownRate = await measure(own)
    console.log(
      `${method} 1 KiB, 64 connections: ${ownRate.toFixed(0)}/s, bare node:http ${floorRate.toFixed(0)}/s, ratio ${(ownRate / floorRate).toFixed(2)}`,
    )
  }
  bare.closeAllConnections()
  bare.close()
}

async function cp(node: NodeProcess): Promise<void> {
  const files = 50_000
  const source = join(work, 'tree')
  makeTree(source, files)
  const own: number[] = []
  const floor: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    execFileSync('sync')
    floor.push(timed(() => execFileSync('sh', ['-c', `cp -r ${source} ${join(work, 'copy')} && sync`])))
    rmSync(join(work, 'copy'), { recursive: true })
    execFileSync('sync')
    own.push(timed(() => shoal(node, ['cp', '-r', '--quiet', source, `bench:/round${round}`])))
  }
  compare(`cp -r of ${files} small files`, { own, floor, floorName: 'cp -r && sync', amount: files, unit: 'files/s' })
  const seconds = await oneAtATime(node, 2_000)
  console.log(
    `one PUT after the other: ${(2_000 / seconds).toFixed(0)} files/s, so cp -r is ${(files / median(own) / (2_000 / seconds)).toFixed(1)} × that`,
  )
  shoal(node, ['cp', '-r', '--quiet', 'bench:/round0', join(work, 'back')])
  execFileSync('diff', ['-r', source, join(work, 'back')])
  console.log('copied back: diff -r is clean')
}

async function oneAtATime(node: NodeProcess, count: number): Promise<number> {
  const startedMs = performance.now()
  for (let index = 0; index < count; index += 1) {
    const response = await fetch(`${node.origin}/api/v1/volumes/bench/files/serial/${index}`, {
      method: 'PUT',
      headers: { authorization: AUTHORIZATION },
      body: Buffer.alloc(2_000, index),
    })
    await response.arrayBuffer()
  }
  return (performance.now() - startedMs) / 1000
}

async function memory(node: NodeProcess): Promise<void> {
  await delay(1_000)
  console.log(`idle: ${residentMb(node)} MB resident`)
  curl(['-T', SOURCE, `${node.origin}/api/v1/volumes/bench/files/to-read`])
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, residentMb(node))
  }, 20)
  const transfers = Array.from({ length: 4 }, (_, index) => [
    spawn(
      'curl',
      ['-sSf', '-o', '/dev/null', '-u', CREDENTIALS, '-T', SOURCE, `${node.origin}/api/v1/volumes/bench/files/up${index}`],
      { stdio: 'inherit' },
    ),
    spawn('curl', ['-sSf', '-o', '/dev/null', '-u', CREDENTIALS, `${node.origin}/api/v1/volumes/bench/files/to-read`], {
      stdio: 'inherit',
    }),
  ]).flat()
  await Promise.all(transfers.map((child) => once(child, 'exit')))
  clearInterval(timer)
  console.log(`four 1 GiB uploads and four downloads at once: at most ${peak} MB resident; 5 s later ${await later(node)} MB`)
}

async function later(node: NodeProcess): Promise<number> {
  await delay(5_000)
  return residentMb(node)
}

function residentMb(node: NodeProcess): number {
  const status = readFileSync(`/proc/${node.child.pid}/status`, 'utf8')
  return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
}

function makeTree(root: string, files: number): void {
  for (let index = 0; index < files; index += 1) {
    const folder = join(root, `d${index % 20}`, `e${index % 500}`)
    if (index < 500) mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, `file${index}.txt`), Buffer.alloc((index * 7919) % 8_000, index))
  }
}

/** Another content each time, so that no chunk is there already. */
function freshen(): void {
  const file = openSync(SOURCE, 'r+')
  const piece = Buffer.alloc(64)
  for (let at = 0; at < GIB; at += 1024 * 1024) writeSync(file, randomFillSync(piece), 0, piece.length, at)
  closeSync(file)
}

function writeRandom(path: string, size: number): void {
  const file = openSync(path, 'w')
  const piece = Buffer.alloc(16 * 1024 * 1024)
  for (let at = 0; at < size; at += piece.length) writeSync(file, randomFillSync(piece))
  closeSync(file)
}

async function startNginx(): Promise<{ port: number; child: ChildProcess }> {
  const root = join(work, 'nginx')
  mkdirSync(root)
  execFileSync('chmod', ['755', work, root])
  execFileSync('cp', [SOURCE, join(root, 'served')])
  const port = await freePort()
  const configuration = `daemon off; user root; worker_processes 1; error_log stderr; pid ${root}/pid;
events {} http { access_log off; sendfile on; tcp_nopush on; server { listen 127.0.0.1:${port}; root ${root}; } }`
  writeFileSync(join(root, 'nginx.conf'), configuration)
  const child = spawn('nginx', ['-c', join(root, 'nginx.conf')], { stdio: 'inherit' })
  await delay(500)
  return { port, child }
}

function curl(args: readonly string[]): void {
  execFileSync('curl', ['-sSf', '-o', '/dev/null', '-H', 'Expect:', '-u', CREDENTIALS, ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
}

function shoal(node: NodeProcess, args: readonly string[]): void {
  const environment = { ...process.env, SHOAL_ENDPOINT: node.origin, SHOAL_ACCESS_KEY: ACCESS_KEY, SHOAL_SECRET_KEY: SECRET_KEY }
  const { status } = spawnSync(process.execPath, ['src/main.ts', ...args], { stdio: 'inherit', env: environment })
  if (status !== 0) throw new Error(`shoal ${args[0]} exited with ${status}`)
}

function timed(run: () => void): number {
  const startedMs = performance.now()
  run()
  return (performance.now() - startedMs) / 1000
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] as number
}

interface Comparison {
  readonly own: readonly number[]
  readonly floor: readonly number[]
  readonly floorName: string
  readonly amount: number
  readonly unit: string
}

/** The median of the rounds' ratios: what disturbs the machine in one round disturbs both. */
function compare(what: string, { own, floor, floorName, amount, unit }: Comparison): void {
  const rate = (seconds: number) => (amount / seconds).toFixed(0)
  const ratios = own.map((seconds, index) => (floor[index] as number) / seconds)
  console.log(
    `${what}: ${own.map(rate).join(', ')} ${unit}; ${floorName}: ${floor.map(rate).join(', ')} ${unit}; ratio ${median(ratios).toFixed(2)}`,
  )
}

await main()
