import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { after, before, test } from 'node:test'
import { main } from '#cli/main.ts'
import { ShoalClient } from '#client/shoal-client.ts'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { fsckOffline } from '#node/offline.ts'
import { restoreBackup } from '#node/restore-backup.ts'
import type { RunningNode } from '#node/start-node.ts'
import { takeBackup } from '#node/take-backup.ts'
import type { TakenBackup, TakeBackupOptions } from '#node/take-backup.ts'
import { nodeClock } from '#platform/node-clock.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'
import { startInProcess } from './node-in-process.ts'

const signal = new AbortController().signal
const LARGE = randomBytes(20_000_000)

let folder: string
let node: RunningNode
let client: ShoalClient

const clientOf = ({ url }: RunningNode) =>
  new ShoalClient({ endpoint: url, accessKey: ACCESS_KEY, secretKey: SECRET_KEY, clock: nodeClock, random: nodeRandom })
const back = (name: string, source: TakeBackupOptions['source'] = client.backup): Promise<TakenBackup> =>
  takeBackup({ folder: join(folder, name), source, signal })
const restore = (name: string, moment?: string) =>
  restoreBackup({ folder: join(folder, name), moment, dataPath: join(folder, `${name}-restored`), version: '0.0.0', signal })

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-backup-'))
  node = await startInProcess(join(folder, 'data'))
  client = clientOf(node)
  await client.createVolume('docs')
  await client.writeSmallFile('docs', 'large', LARGE)
  await client.writeSmallFile('docs', 'small', Buffer.from('before'))
})

after(async () => {
  await client.close()
  await node.stop()
  await rm(folder, { recursive: true, force: true })
})

async function isClean(data: string): Promise<boolean> {
  let clean = false
  for await (const line of fsckOffline({ data, repair: false, verify: true })) if (line.kind === 'result') clean = line.clean
  return clean
}

async function chunkFilesOf(name: string): Promise<string[]> {
  const names = await readdir(join(folder, name, 'chunks'), { recursive: true })
  return names.filter((each) => each.length > 60).map((each) => join(folder, name, 'chunks', each))
}

test('a backup is of one moment, and the next one copies what is new; each is restored as it was, keys included', async () => {
  const { accessKey, secretKey } = await client.keys.create({ principal: 'alice' })
  const first = await back('kept')
  assert.equal(first.copiedChunks, first.chunks)
  assert.equal(first.copiedBytes, LARGE.length)
  await client.writeSmallFile('docs', 'small', Buffer.from('afterwards'))
  await client.writeSmallFile('docs', 'other', randomBytes(300_000))
  // A moment is named by its second.
  await nodeClock.sleep(1_000)
  const second = await back('kept')
  assert.deepEqual([second.copiedChunks, second.copiedBytes, second.chunks], [1, 300_000, first.chunks + 1])
  const restored = await restore('kept', first.moment)
  assert.deepEqual([restored.chunks, restored.bytes], [first.chunks, LARGE.length])
  assert.ok(await isClean(restored.dataPath))
  const again = await startInProcess(restored.dataPath)
  const other = clientOf(again)
  try {
    assert.ok((await other.readSmallFile('docs', 'large')).bytes.equals(LARGE))
    assert.equal((await other.readSmallFile('docs', 'small')).bytes.toString(), 'before')
    assert.equal(await other.findEntry('docs', 'other'), undefined)
    assert.notEqual(again.nodeId, node.nodeId)
    const authorization = `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`
    assert.equal((await fetch(`${again.url}/api/v1/volumes`, { headers: { authorization } })).status, 200)
  } finally {
    await other.close()
    await again.stop()
  }
  await assert.rejects(restore('kept'), (error) => isShoalError(error, 'CONFLICT'))
})

test('nobody else gets at what is in a backup', async () => {
  for (const path of await chunkFilesOf('kept')) assert.equal((await stat(path)).mode & 0o777, 0o600)
  const { accessKey, secretKey } = await client.keys.create({ principal: 'bob' })
  const authorization = `Basic ${Buffer.from(`${accessKey}:${secretKey}`).toString('base64')}`
  const refused = await fetch(`${node.url}/api/v1/backup/metadata`, { headers: { authorization } })
  assert.equal(refused.status, 403)
  await refused.body?.cancel()
})

test('a backup that breaks off goes on with what it has, and is none before it is whole', async () => {
  let asked = 0
  const breaking = {
    metadata: () => client.backup.metadata(),
    chunk: async (id: string) => {
      asked += 1
      if (asked > 1) throw new ShoalError('UNAVAILABLE', 'The node is gone')
      return client.backup.chunk(id)
    },
  }
  await assert.rejects(back('broken', breaking), (error) => isShoalError(error, 'UNAVAILABLE'))
  await assert.rejects(restore('broken'), (error) => isShoalError(error, 'NOT_FOUND'))
  const had = (await chunkFilesOf('broken')).length
  assert.equal(had, 1)
  const { chunks, copiedChunks } = await back('broken')
  assert.equal(copiedChunks, chunks - had)
})

test('a folder with other files is no place for a backup; one with backups is, whatever else is there', async () => {
  await mkdir(join(folder, 'home'))
  await writeFile(join(folder, 'home', 'thesis.txt'), 'mine')
  await assert.rejects(back('home'), (error) => isShoalError(error, 'CONFLICT') && error.message.includes('thesis.txt'))
  assert.deepEqual(await readdir(join(folder, 'home')), ['thesis.txt'])
  await assert.rejects(back('data'), (error) => isShoalError(error, 'CONFLICT'), 'as a data folder, which has chunks too')
  await writeFile(join(folder, 'broken', 'notes.txt'), 'mine')
  await back('broken')
})

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const said = { out: '', err: '' }
  const into = (name: 'out' | 'err') =>
    new Writable({ write: (bytes, _encoding, done) => ((said[name] += String(bytes)), done()) })
  const io = { stdin: Readable.from([]), stdout: into('out'), stderr: into('err'), env: {} }
  return { code: await main(args, io), ...said }
}

test('the command names the volumes that a backup does not have', async () => {
  await client.createVolume('shared', { consistency: 'eventual' })
  const keys = ['--endpoint', node.url, '--access-key', ACCESS_KEY, '--secret-key', SECRET_KEY]
  const { code, out, err } = await run('backup', join(folder, 'commanded'), ...keys)
  assert.deepEqual([code, err], [0, 'Eventual volumes are not in it: copy shared:/ with shoal cp\n'])
  assert.match(out, /^Backup .*Z: \d+ chunks/)
  const json = await run('backup', join(folder, 'commanded'), '--json', ...keys)
  assert.deepEqual([(JSON.parse(json.out) as { leftOut: string[] }).leftOut, json.err], [['shared'], ''])
  await client.deleteVolume('shared', { force: true })
})

test('two backups into one folder are not made at a time', async () => {
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const slow = {
    metadata: async () => {
      begun.resolve()
      await goOn.promise
      return client.backup.metadata()
    },
    chunk: (id: string) => client.backup.chunk(id),
  }
  const first = back('shared', slow)
  await begun.promise
  await assert.rejects(back('shared'), (error) => isShoalError(error, 'DATA_IN_USE'))
  goOn.resolve()
  await first
  await back('shared')
})

test('what is collected while it is copied makes for a later moment; what is lost is told', async () => {
  await client.writeSmallFile('docs', 'short-lived', randomBytes(400_000))
  let moments = 0
  const gone = new Set<string>()
  const source = {
    metadata: async () => {
      moments += 1
      return client.backup.metadata()
    },
    chunk: async (id: string) => {
      const bytes = await client.backup.chunk(id)
      if (bytes.length !== 400_000) return bytes
      if (moments === 1) await client.remove('docs', 'short-lived')
      gone.add(id)
      throw new ShoalError('CHUNK_MISSING', 'It was collected')
    },
  }
  await back('moving', source)
  assert.deepEqual([moments, gone.size], [2, 1])
  const losing = { ...source, chunk: () => Promise.reject(new ShoalError('CHUNK_MISSING', 'It is lost')) }
  await assert.rejects(back('losing', losing), (error) => isShoalError(error, 'CHUNK_MISSING'))
})

test('what was damaged on the way or where it lay is never restored', async () => {
  const wrong = { metadata: () => client.backup.metadata(), chunk: async () => Buffer.from('something else') }
  await assert.rejects(back('wrong', wrong), (error) => isShoalError(error, 'DIGEST_MISMATCH'))
  const cut = {
    chunk: (id: string) => client.backup.chunk(id),
    metadata: async () => {
      const pieces: Buffer[] = []
      for await (const piece of await client.backup.metadata()) pieces.push(piece)
      const all = Buffer.concat(pieces)
      return (async function* () {
        yield all.subarray(0, all.length - 40)
      })()
    },
  }
  await assert.rejects(back('cut', cut), (error) => isShoalError(error, 'CORRUPT'))
  const { moment } = await back('damaged')
  const [path] = (await chunkFilesOf('damaged')) as [string]
  const bytes = await readFile(path)
  bytes[100] = (bytes[100] as number) ^ 1
  await writeFile(path, bytes)
  await assert.rejects(restore('damaged'), (error) => isShoalError(error, 'CORRUPT'))
  await rm(path)
  await assert.rejects(restore('damaged'), (error) => isShoalError(error, 'CHUNK_MISSING'))
  await back('damaged')
  // The one before it was cut off, and goes on.
  assert.ok(await isClean((await restore('damaged', moment)).dataPath))
})

test('a backup is verified without a node: what is damaged or missing is named, and which moments it spoils', async () => {
  const first = await back('verified')
  await client.writeSmallFile('docs', 'later', randomBytes(500_000))
  await nodeClock.sleep(1_000)
  const second = await back('verified')
  const place = join(folder, 'verified')
  const verify = async (): Promise<{ code: number; lines: string[] }> => {
    const { code, out } = await run('backup', 'verify', place)
    return { code, lines: out.trimEnd().split('\n') }
  }
  const whole = (moment: TakenBackup) => `${moment.moment}: ${moment.chunks} chunks, whole`
  assert.deepEqual(await verify(), { code: 0, lines: [whole(first), whole(second), 'Everything is in order'] })

  const sizes = await Promise.all((await chunkFilesOf('verified')).map(async (path) => ({ path, size: (await stat(path)).size })))
  const later = sizes.find(({ size }) => size === 500_000)?.path as string
  const bytes = await readFile(later)
  await writeFile(later, Buffer.from(bytes).fill(1, 100, 101))
  const spoilt = `${second.moment}: 1 of ${second.chunks} chunks missing or damaged`
  const damaged = `${later}: damaged: its name is not its SHA-256`
  assert.deepEqual(await verify(), { code: 6, lines: [damaged, whole(first), spoilt, '1 problem found'] })
  await rm(later)
  const missing = `${later}: missing: ${second.moment} needs it`
  assert.deepEqual(await verify(), { code: 6, lines: [missing, whole(first), spoilt, '1 problem found'] })
  const json = await run('backup', 'verify', place, '--json')
  assert.deepEqual(JSON.parse(json.out.trimEnd().split('\n').at(-1) as string), { kind: 'result', clean: false, findings: 1 })

  // What is empty is seen by the next backup too.
  await writeFile(later, '')
  await nodeClock.sleep(1_000)
  const third = await back('verified')
  assert.equal(third.copiedChunks, 1)
  assert.deepEqual(await readFile(later), bytes)
  const path = join(place, `${first.moment}.backup`)
  const moment = await readFile(path)
  await writeFile(path, moment.subarray(0, moment.length - 1))
  const cut = [
    `${path}: damaged: it is not what was written`,
    `${first.moment}: damaged`,
    whole(second),
    whole(third),
    '1 problem found',
  ]
  assert.deepEqual(await verify(), { code: 6, lines: cut })
  assert.equal((await run('backup', 'verify', join(folder, 'nowhere'))).code, 3)
})
