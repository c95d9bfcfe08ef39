// An eventual volume as a bucket of S3, on real nodes in processes of their own, without etcd.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutBucketEncryptionCommand,
  PutBucketLifecycleConfigurationCommand,
  PutBucketTaggingCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { runProgram } from '../integration/run-program.ts'
import { EventualNodes, until } from '../support/eventual-nodes.ts'
import { ACCESS_KEY, SECRET_KEY } from '../support/node-process.ts'

const Bucket = 'shared'
const MIB = 1024 * 1024

let cluster: EventualNodes
let clients: S3Client[]

const endpointOf = (at: number): string => `http://127.0.0.1:${cluster.nodes[at]!.port + 1}`

before(async () => {
  cluster = await EventualNodes.found()
  await cluster.grow(1)
  clients = [0, 1].map(
    (at) =>
      new S3Client({
        endpoint: endpointOf(at),
        region: 'us-east-1',
        forcePathStyle: true,
        maxAttempts: 1,
        credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
      }),
  )
  const made = await cluster.call(1, '/volumes/shared', { method: 'PUT', body: '{"consistency":"eventual"}' })
  assert.equal(made.status, 201, await made.text())
  await until('the first knows the volume', async () => (await cluster.call(0, '/volumes/shared')).status === 200)
})

after(async () => {
  for (const client of clients) client.destroy()
  await cluster.stop()
})

async function textOf(at: number, Key: string, VersionId?: string): Promise<string> {
  return (await clients[at]!.send(new GetObjectCommand({ Bucket, Key, VersionId }))).Body!.transformToString()
}

const shows = (at: number, Key: string, text: string) => () =>
  textOf(at, Key).then(
    (found) => found === text,
    () => false,
  )

const refusedAs = (name: string) => (error: { name?: string }) => {
  assert.equal(error.name, name)
  return true
}

test("Amazon's SDK reads its own writes on a node, and they are on the other soon, with everything that was said of them", async () => {
  const body = randomBytes(3 * MIB)
  const [here] = clients
  const put = await clients[1]!.send(
    new PutObjectCommand({
      Bucket,
      Key: 'a/b',
      Body: body,
      ContentType: 'image/x',
      Metadata: { colour: 'blue' },
      Tagging: 'k=v',
    }),
  )
  assert.equal(put.ETag, `"${createHash('md5').update(body).digest('hex')}"`)
  const own = await clients[1]!.send(new HeadObjectCommand({ Bucket, Key: 'a/b' }))
  assert.deepEqual([own.ContentLength, own.ContentType, own.Metadata], [body.length, 'image/x', { colour: 'blue' }])
  await until('the first has it', () =>
    here!.send(new HeadObjectCommand({ Bucket, Key: 'a/b' })).then(
      () => true,
      () => false,
    ),
  )
  const read = await here!.send(new GetObjectCommand({ Bucket, Key: 'a/b' }))
  assert.deepEqual([read.ETag, read.Metadata, read.TagCount], [put.ETag, { colour: 'blue' }, 1])
  assert.ok(body.equals(await read.Body!.transformToByteArray()))
  const range = await here!.send(new GetObjectCommand({ Bucket, Key: 'a/b', Range: 'bytes=5-9' }))
  assert.ok(body.subarray(5, 10).equals(await range.Body!.transformToByteArray()))
})

test('copies, listings of both versions, and removals of one and of many', async () => {
  const [client] = clients as [S3Client, S3Client]
  for (const Key of ['list/one', 'list/two', 'list/sub/three'])
    await client.send(new PutObjectCommand({ Bucket, Key, Body: Key }))
  await client.send(new CopyObjectCommand({ Bucket, Key: 'list/copy', CopySource: `${Bucket}/list/one` }))
  assert.equal(await textOf(0, 'list/copy'), 'list/one')
  const first = await client.send(new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/', MaxKeys: 2 }))
  const rest = await client.send(
    new ListObjectsV2Command({ Bucket, Prefix: 'list/', Delimiter: '/', ContinuationToken: first.NextContinuationToken }),
  )
  assert.deepEqual(
    first.Contents?.map(({ Key }) => Key),
    ['list/copy', 'list/one'],
  )
  assert.deepEqual([rest.CommonPrefixes, rest.Contents?.map(({ Key }) => Key)], [[{ Prefix: 'list/sub/' }], ['list/two']])
  const old = await client.send(new ListObjectsCommand({ Bucket, Prefix: 'list/sub' }))
  assert.deepEqual(
    old.Contents?.map(({ Key }) => Key),
    ['list/sub/three'],
  )
  await client.send(new DeleteObjectCommand({ Bucket, Key: 'list/one' }))
  const Objects = ['list/two', 'list/copy', 'list/sub/three', 'list/none'].map((Key) => ({ Key }))
  const removed = await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
  assert.deepEqual([removed.Deleted?.length, removed.Errors], [4, undefined])
  await assert.rejects(textOf(0, 'list/two'), refusedAs('NoSuchKey'))
})

test('conditions are judged by the node that is asked', async () => {
  const put = (Body: string, conditions: { IfNoneMatch?: string; IfMatch?: string }) =>
    clients[1]!.send(new PutObjectCommand({ Bucket, Key: 'careful', Body, ...conditions }))
  const { ETag } = await put('1', { IfNoneMatch: '*' })
  await assert.rejects(put('2', { IfNoneMatch: '*' }), refusedAs('PreconditionFailed'))
  await put('3', { IfMatch: ETag! })
  await assert.rejects(put('4', { IfMatch: ETag! }), refusedAs('PreconditionFailed'))
  assert.equal(await textOf(1, 'careful'), '3')
})

test('parts that one node has taken become an object that every node reads', async () => {
  const client = clients[1]!
  const Key = 'parts'
  const parts = [randomBytes(5 * MIB), randomBytes(5 * MIB), randomBytes(17)]
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key, ContentType: 'x/y' }))
  const Parts = await Promise.all(
    parts.map(async (Body, at) => {
      const { ETag } = await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: at + 1, Body }))
      return { ETag, PartNumber: at + 1 }
    }),
  )
  const done = await client.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }))
  assert.match(done.ETag!, /-3"$/)
  await until('the first has it', () =>
    clients[0]!.send(new HeadObjectCommand({ Bucket, Key })).then(
      () => true,
      () => false,
    ),
  )
  const whole = await clients[0]!.send(new GetObjectCommand({ Bucket, Key }))
  assert.equal(whole.ContentType, 'x/y')
  assert.ok(Buffer.concat(parts).equals(await whole.Body!.transformToByteArray()))
  const second = await clients[0]!.send(new GetObjectCommand({ Bucket, Key, PartNumber: 2 }))
  assert.ok(parts[1]!.equals(await second.Body!.transformToByteArray()))
})

test('what an eventual bucket can not have is refused by its name, and what it can have spreads', async () => {
  const [client] = clients as [S3Client, S3Client]
  await assert.rejects(
    client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } })),
    /has no "versioning"/,
  )
  const Rules = [{ ApplyServerSideEncryptionByDefault: { SSEAlgorithm: 'AES256' as const } }]
  await assert.rejects(
    client.send(new PutBucketEncryptionCommand({ Bucket, ServerSideEncryptionConfiguration: { Rules } })),
    /Encryption: an eventual volume/,
  )
  const rule = { ID: 'r', Status: 'Enabled' as const, Filter: { Prefix: '' }, Expiration: { Days: 1 } }
  await assert.rejects(
    client.send(new PutBucketLifecycleConfigurationCommand({ Bucket, LifecycleConfiguration: { Rules: [rule] } })),
    /Lifecycle rules: an eventual volume/,
  )
  await assert.rejects(
    client.send(new PutObjectCommand({ Bucket, Key: 'sealed', Body: 'x', ServerSideEncryption: 'AES256' })),
    refusedAs('NotImplemented'),
  )
  await client.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet: [{ Key: 'team', Value: 'a' }] } }))
  await client.send(new CreateBucketCommand({ Bucket }))
})

test('a copy from a strong bucket, or into one, is made by the node that knows both', async () => {
  await clients[1]!.send(new CreateBucketCommand({ Bucket: 'strong' }))
  await clients[1]!.send(new PutObjectCommand({ Bucket: 'strong', Key: 'k', Body: 'strong', Metadata: { a: 'b' } }))
  await clients[1]!.send(new CopyObjectCommand({ Bucket, Key: 'from-strong', CopySource: 'strong/k' }))
  await until('the second has it', shows(1, 'from-strong', 'strong'))
  await clients[1]!.send(new CopyObjectCommand({ Bucket: 'strong', Key: 'back', CopySource: `${Bucket}/from-strong` }))
  const back = await clients[0]!.send(new GetObjectCommand({ Bucket: 'strong', Key: 'back' }))
  assert.deepEqual([await back.Body!.transformToString(), back.Metadata], ['strong', { a: 'b' }])
})

test('rclone synchronises a tree to one node, and finds no difference in any byte on the other', async () => {
  const tree = join(cluster.folder, 'tree')
  await mkdir(join(tree, 'deep/er'), { recursive: true })
  for (let at = 0; at < 40; at += 1)
    await writeFile(join(tree, at % 2 === 0 ? `file ${at}` : `deep/er/é${at}`), randomBytes(at * 700))
  await writeFile(join(tree, 'large'), randomBytes(30 * MIB))
  const rclone = (at: number, ...args: string[]) =>
    runProgram(['rclone', ...args], {
      folder: cluster.folder,
      environment: {
        RCLONE_CONFIG_SHOAL_TYPE: 's3',
        RCLONE_CONFIG_SHOAL_PROVIDER: 'Other',
        RCLONE_CONFIG_SHOAL_ACCESS_KEY_ID: ACCESS_KEY,
        RCLONE_CONFIG_SHOAL_SECRET_ACCESS_KEY: SECRET_KEY,
        RCLONE_CONFIG_SHOAL_ENDPOINT: endpointOf(at),
      },
    })
  await rclone(1, 'sync', '--s3-upload-cutoff', '10M', '--s3-chunk-size', '6M', tree, `shoal:${Bucket}/tree`)
  await cluster.agree()
  assert.match(await rclone(0, 'check', '--download', tree, `shoal:${Bucket}/tree`), /: 0 differences found/)
  await rclone(0, 'purge', `shoal:${Bucket}/tree`)
})

test('of two writes cut off from each other the one that lost is a version, read by its id and dropped everywhere by removing it', async () => {
  const put = (at: number, Body: string) => clients[at]!.send(new PutObjectCommand({ Bucket, Key: 'plan', Body }))
  const versions = async (at: number) =>
    (await clients[at]!.send(new ListObjectVersionsCommand({ Bucket, Prefix: 'plan' }))).Versions ?? []
  const [first, second] = cluster.nodes.map(({ child }) => child)
  const areBothThere = async () => (await versions(0)).length === 2 && (await versions(1)).length === 2
  // What the first one has sent already, the second one finds when it goes on: then they weren't cut off.
  for (let tries = 0; tries < 10 && !(await areBothThere()); tries += 1) {
    await put(0, 'before')
    await cluster.agree()
    second!.kill('SIGSTOP')
    await put(0, 'from the first')
    first!.kill('SIGSTOP')
    second!.kill('SIGCONT')
    await put(1, 'from the second')
    first!.kill('SIGCONT')
    await cluster.agree(30_000)
    // Nodes agree on what is shown before all have what has lost.
    await until('both have the one that lost', areBothThere, 2_000).catch(() => undefined)
  }
  const [shown, lost] = await versions(0)
  assert.deepEqual([shown?.IsLatest, lost?.IsLatest], [true, false])
  assert.equal(await textOf(1, 'plan', lost!.VersionId), 'from the first')
  await clients[1]!.send(new DeleteObjectCommand({ Bucket, Key: 'plan', VersionId: lost!.VersionId! }))
  await until('it is dropped on the first', async () => (await versions(0)).length === 1)
  assert.equal(await textOf(0, 'plan'), 'from the second')
})

test('without the node that leads the buckets that are known are listed, with what is missing, and take writes', async () => {
  const all = await clients[1]!.send(new ListBucketsCommand({}))
  assert.deepEqual(
    all.Buckets?.map(({ Name }) => Name),
    ['shared', 'strong'],
  )
  await cluster.nodes[0]!.kill()
  await clients[1]!.send(new PutObjectCommand({ Bucket, Key: 'alone', Body: 'nobody else' }))
  assert.equal(await textOf(1, 'alone'), 'nobody else')
  let missing: string | undefined
  const client = clients[1]!
  client.middlewareStack.add(
    (next) => async (args) => {
      const answer = await next(args)
      missing = (answer.response as { headers: Record<string, string> }).headers['x-shoal-missing']
      return answer
    },
    { step: 'deserialize', name: 'missing', priority: 'high' },
  )
  const known = await client.send(new ListBucketsCommand({}))
  assert.deepEqual([known.Buckets?.map(({ Name }) => Name), missing], [['shared'], 'strong'])
  const listed = (await (await cluster.call(1, '/volumes')).json()) as { volumes: { name: string }[]; missing?: string }
  assert.deepEqual([listed.volumes.map(({ name }) => name), listed.missing], [['shared'], 'strong'])
  assert.match(await cluster.cli(1).run('volume', 'list'), /shared/)
})
