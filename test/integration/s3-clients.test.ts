// S3 clients that people have, against a real node.

import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { after, before, test } from 'node:test'
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  ListPartsCommand,
  NoSuchKey,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { Client as MinioClient } from 'minio'
import { ACCESS_KEY, freePort, type NodeProcess, SECRET_KEY, startNodeProcess } from '../support/node-process.ts'
import { makeAwkwardTree, runProgram } from './run-program.ts'

const MiB = 1024 * 1024

let folder: string
let tree: string
let node: NodeProcess
let s3Port: number
let endpoint: string

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shoal-s3-'))
  tree = await makeAwkwardTree(join(folder, 'tree'))
  const port = await freePort()
  s3Port = port + 1
  endpoint = `http://127.0.0.1:${s3Port}`
  node = await startNodeProcess({ data: join(folder, 'data'), port })
})
after(async () => {
  assert.equal(await node.stop(), 0)
  await rm(folder, { recursive: true, force: true })
})

test('AWS CLI synchronises a tree there and back, and presigns what anybody can read', async () => {
  const environment = { AWS_ACCESS_KEY_ID: ACCESS_KEY, AWS_SECRET_ACCESS_KEY: SECRET_KEY, AWS_DEFAULT_REGION: 'eu-west-1' }
  // The default of version 1 for links is the signature of 2006.
  await mkdir(join(folder, '.aws'))
  await writeFile(join(folder, '.aws/config'), '[default]\ns3 =\n  signature_version = s3v4\n')
  const aws = (...args: string[]) => runProgram(['aws', '--endpoint-url', endpoint, ...args], { folder, environment })
  await aws('s3', 'mb', 's3://aws-cli')
  await aws('s3', 'sync', '--only-show-errors', tree, 's3://aws-cli/tree')
  await aws('s3', 'sync', '--only-show-errors', 's3://aws-cli/tree', join(folder, 'aws-back'))
  await runProgram(['diff', '-r', tree, join(folder, 'aws-back')], { folder })
  assert.doesNotMatch(await aws('s3', 'sync', '--dryrun', tree, 's3://aws-cli/tree'), /upload/)
  const url = (await aws('s3', 'presign', 's3://aws-cli/tree/file 7')).trim()
  const answer = await fetch(url)
  assert.equal(answer.status, 200)
  assert.ok(Buffer.from(await answer.arrayBuffer()).equals(await readFile(join(tree, 'file 7'))))
  assert.equal((await fetch(url.replace('file%207', 'file%208'))).status, 403)
  await aws('s3', 'mv', '--only-show-errors', 's3://aws-cli/tree/file 9', 's3://aws-cli/moved')
  assert.match(await aws('s3', 'ls', 's3://aws-cli/'), /PRE tree\/\n.* 6300 moved/)
  await aws('s3', 'rb', '--force', 's3://aws-cli')
})

test('rclone synchronises, finds no difference in any byte, and sends 200 MiB in parts', async () => {
  const environment = {
    RCLONE_CONFIG_SHOAL_TYPE: 's3',
    RCLONE_CONFIG_SHOAL_PROVIDER: 'Other',
    RCLONE_CONFIG_SHOAL_ACCESS_KEY_ID: ACCESS_KEY,
    RCLONE_CONFIG_SHOAL_SECRET_ACCESS_KEY: SECRET_KEY,
    RCLONE_CONFIG_SHOAL_ENDPOINT: endpoint,
  }
  const rclone = (...args: string[]) => runProgram(['rclone', ...args], { folder, environment })
  await rclone('mkdir', 'shoal:rclone')
  await rclone('sync', tree, 'shoal:rclone/tree')
  assert.match(await rclone('check', '--download', tree, 'shoal:rclone/tree'), /: 0 differences found/)
  const large = join(folder, 'large')
  await writeFile(large, randomBytes(200 * MiB))
  await rclone('copyto', '--s3-upload-cutoff', '20M', '--s3-chunk-size', '16M', large, 'shoal:rclone/large')
  assert.match(await rclone('check', '--download', '--include', '/large', folder, 'shoal:rclone'), /: 0 differences found/)
  await rclone('moveto', 'shoal:rclone/tree', 'shoal:rclone/elsewhere')
  assert.match(await rclone('check', '--download', tree, 'shoal:rclone/elsewhere'), /: 0 differences found/)
  await rclone('purge', 'shoal:rclone')
})

test('s3cmd puts, lists, gets and removes', async () => {
  const settings = {
    access_key: ACCESS_KEY,
    secret_key: SECRET_KEY,
    host_base: `127.0.0.1:${s3Port}`,
    host_bucket: `127.0.0.1:${s3Port}`,
    use_https: 'False',
  }
  await writeFile(
    join(folder, '.s3cfg'),
    `[default]\n${Object.entries(settings)
      .map(([name, value]) => `${name} = ${value}\n`)
      .join('')}`,
  )
  const s3cmd = (...args: string[]) => runProgram(['s3cmd', '--no-progress', ...args], { folder })
  await s3cmd('mb', 's3://s3cmd')
  await s3cmd('sync', '-q', `${tree}/`, 's3://s3cmd/tree/')
  await s3cmd('put', '-q', '--multipart-chunk-size-mb=5', join(tree, 'deep/er/still/large'), 's3://s3cmd/parts')
  assert.match(await s3cmd('info', 's3://s3cmd/parts'), /File size:\s+9000000/)
  await s3cmd('get', '-q', 's3://s3cmd/parts', join(folder, 's3cmd-parts'))
  await runProgram(['cmp', join(tree, 'deep/er/still/large'), join(folder, 's3cmd-parts')], { folder })
  await s3cmd('sync', '-q', 's3://s3cmd/tree/', `${join(folder, 's3cmd-back')}/`)
  await runProgram(['diff', '-r', tree, join(folder, 's3cmd-back')], { folder })
  await s3cmd('rb', '--recursive', '--force', 's3://s3cmd')
})

test('restic keeps a backup that it can check, read again and thin out', async () => {
  const environment = {
    AWS_ACCESS_KEY_ID: ACCESS_KEY,
    AWS_SECRET_ACCESS_KEY: SECRET_KEY,
    RESTIC_REPOSITORY: `s3:${endpoint}/restic`,
    RESTIC_PASSWORD: 'for-the-test',
  }
  const restic = (...args: string[]) => runProgram(['restic', ...args], { folder, environment })
  await restic('init')
  await restic('backup', '-q', 'tree')
  await writeFile(join(tree, 'file 3'), 'changed after the first backup')
  await restic('backup', '-q', 'tree')
  assert.match(await restic('check', '--read-data'), /no errors were found/)
  await restic('restore', '-q', 'latest', '--target', join(folder, 'restic-back'))
  await runProgram(['diff', '-r', tree, join(folder, 'restic-back/tree')], { folder })
  await restic('forget', '-q', '--keep-last', '1', '--prune')
  assert.match(await restic('check', '--read-data'), /no errors were found/)
})

test("Amazon's SDK: metadata, ranges, conditions, checksums, parts, copies, versions", async () => {
  const client = new S3Client({
    endpoint,
    region: 'us-east-1',
    forcePathStyle: true,
    credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY },
  })
  const Bucket = 'aws-sdk'
  await client.send(new CreateBucketCommand({ Bucket }))
  const body = randomBytes(300_000)
  const put = await client.send(
    new PutObjectCommand({
      Bucket,
      Key: 'a/b',
      Body: body,
      ContentType: 'image/png',
      Metadata: { colour: 'blue' },
      ChecksumAlgorithm: 'SHA256',
    }),
  )
  assert.equal(put.ETag, `"${createHash('md5').update(body).digest('hex')}"`)
  assert.equal(put.ChecksumSHA256, createHash('sha256').update(body).digest('base64'))
  // A stream of unknown digest goes as aws-chunked with a trailing checksum.
  await client.send(new PutObjectCommand({ Bucket, Key: 'streamed', Body: Readable.from([body]), ContentLength: body.length }))
  const got = await client.send(new GetObjectCommand({ Bucket, Key: 'a/b', Range: 'bytes=1000-1999', ChecksumMode: 'ENABLED' }))
  assert.deepEqual(Buffer.from((await got.Body?.transformToByteArray()) ?? []), body.subarray(1000, 2000))
  assert.deepEqual([got.ContentType, got.Metadata, got.ContentRange], ['image/png', { colour: 'blue' }, 'bytes 1000-1999/300000'])
  await assert.rejects(client.send(new GetObjectCommand({ Bucket, Key: 'none' })), NoSuchKey)
  await assert.rejects(client.send(new PutObjectCommand({ Bucket, Key: 'a/b', Body: 'x', IfNoneMatch: '*' })), {
    name: 'PreconditionFailed',
  })
  await client.send(new CopyObjectCommand({ Bucket, Key: 'a', CopySource: `${Bucket}/a/b` }))
  assert.equal((await client.send(new HeadObjectCommand({ Bucket, Key: 'a' }))).Metadata?.['colour'], 'blue')

  const parts = [randomBytes(5 * MiB), randomBytes(1000)]
  const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'parts' }))
  const Parts: { ETag: string; PartNumber: number }[] = []
  for (const [index, Body] of parts.entries()) {
    const PartNumber = index + 1
    const { ETag = '' } = await client.send(new UploadPartCommand({ Bucket, Key: 'parts', UploadId, PartNumber, Body }))
    Parts.push({ ETag, PartNumber })
  }
  assert.equal((await client.send(new ListPartsCommand({ Bucket, Key: 'parts', UploadId }))).Parts?.length, 2)
  await client.send(new CompleteMultipartUploadCommand({ Bucket, Key: 'parts', UploadId, MultipartUpload: { Parts } }))
  const whole = await client.send(new GetObjectCommand({ Bucket, Key: 'parts' }))
  assert.ok(Buffer.concat(parts).equals(Buffer.from((await whole.Body?.transformToByteArray()) ?? [])))
  assert.match(whole.ETag ?? '', /^"[0-9a-f]{32}-2"$/)
  const aborted = await client.send(new CreateMultipartUploadCommand({ Bucket, Key: 'never' }))
  await client.send(new AbortMultipartUploadCommand({ Bucket, Key: 'never', UploadId: aborted.UploadId }))

  const listed = await client.send(new ListObjectsV2Command({ Bucket, Delimiter: '/' }))
  assert.deepEqual(
    listed.Contents?.map(({ Key }) => Key),
    ['a', 'parts', 'streamed'],
  )
  assert.deepEqual(listed.CommonPrefixes, [{ Prefix: 'a/' }])

  await client.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration: { Status: 'Enabled' } }))
  await client.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'newer' }))
  await client.send(
    new DeleteObjectsCommand({ Bucket, Delete: { Objects: ['a', 'a/b', 'parts', 'streamed'].map((Key) => ({ Key })) } }),
  )
  const versions = await client.send(new ListObjectVersionsCommand({ Bucket }))
  assert.deepEqual([versions.Versions?.length, versions.DeleteMarkers?.length], [5, 4])
  await assert.rejects(client.send(new DeleteBucketCommand({ Bucket })), { name: 'BucketNotEmpty' })
  const Objects = [...(versions.Versions ?? []), ...(versions.DeleteMarkers ?? [])].map(({ Key, VersionId }) => ({
    Key,
    VersionId,
  }))
  await client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
  await client.send(new DeleteBucketCommand({ Bucket }))
  client.destroy()
})

test("MinIO's client: buckets, streams in parts, listings, presigned links and posts", async () => {
  const client = new MinioClient({
    endPoint: '127.0.0.1',
    port: s3Port,
    useSSL: false,
    accessKey: ACCESS_KEY,
    secretKey: SECRET_KEY,
  })
  await client.makeBucket('minio-js', 'eu-west-1')
  assert.equal(await client.bucketExists('minio-js'), true)
  const large = randomBytes(70 * MiB)
  await client.putObject('minio-js', 'dir/large', Readable.from([large]), large.length, { 'X-Amz-Meta-Colour': 'red' })
  const { size, metaData } = await client.statObject('minio-js', 'dir/large')
  assert.deepEqual([size, metaData['colour']], [large.length, 'red'])
  const pieces: Buffer[] = []
  for await (const piece of await client.getObject('minio-js', 'dir/large')) pieces.push(piece as Buffer)
  assert.ok(Buffer.concat(pieces).equals(large))
  const link = await client.presignedPutObject('minio-js', 'linked', 60)
  assert.equal((await fetch(link, { method: 'PUT', body: 'by link' })).status, 200)
  const policy = client.newPostPolicy()
  policy.setBucket('minio-js')
  policy.setKey('posted')
  policy.setExpires(new Date(Date.now() + 60_000))
  policy.setContentLengthRange(1, 100)
  const { postURL, formData } = await client.presignedPostPolicy(policy)
  const form = new FormData()
  for (const [name, value] of Object.entries(formData as Record<string, string>)) form.append(name, value)
  form.append('file', new Blob(['by form']))
  assert.equal((await fetch(postURL, { method: 'POST', body: form })).status, 204)
  const names: string[] = []
  for await (const { name } of client.listObjectsV2('minio-js', '', true) as AsyncIterable<{ name: string }>) names.push(name)
  assert.deepEqual(names, ['dir/large', 'linked', 'posted'])
  await client.removeObjects('minio-js', names)
  await client.removeBucket('minio-js')
})
