import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { isShoalError } from '#foundation/errors.ts'
import { nodeFiles } from '#platform/node-files.ts'
import { nodeRandom } from '#platform/node-random.ts'
import { loadRootCredentials, readRootCredentials, rootCredentialsPath } from './root-credentials.ts'

const ports = { files: nodeFiles, random: nodeRandom }
let folder: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-access-'))
})
after(() => rm(folder, { recursive: true, force: true }))

test('the first start makes a key, later ones keep it, and only the owner can read it', async () => {
  assert.equal(await readRootCredentials(folder, nodeFiles), undefined)
  const made = await loadRootCredentials(folder, ports)
  assert.equal(made.origin, 'made')
  assert.match(made.accessKey, /^[A-Z2-9]{20}$/)
  assert.match(made.secretKey, /^[\w-]{40}$/)
  assert.equal((await stat(rootCredentialsPath(folder))).mode & 0o777, 0o600)
  assert.deepEqual(await loadRootCredentials(folder, ports), { ...made, origin: 'kept' })
  assert.deepEqual(JSON.parse(await readFile(rootCredentialsPath(folder), 'utf8')), {
    accessKey: made.accessKey,
    secretKey: made.secretKey,
  })
})

test('configured keys go first and are not written', async () => {
  const configured = { accessKey: 'root', secretKey: 'a-long-secret' }
  assert.deepEqual(await loadRootCredentials(folder, ports, configured), { ...configured, origin: 'configured' })
  assert.notEqual((await readRootCredentials(folder, nodeFiles))?.accessKey, 'root')
})

test('a damaged file is an error, never a new key', async () => {
  for (const content of ['', '{', '{"accessKey":"abc"}', '[]', '{"accessKey":1,"secretKey":"12345678"}']) {
    await writeFile(rootCredentialsPath(folder), content)
    await assert.rejects(loadRootCredentials(folder, ports), (error) => isShoalError(error, 'DATA_FORMAT'), content)
    assert.equal(await readFile(rootCredentialsPath(folder), 'utf8'), content)
  }
})
