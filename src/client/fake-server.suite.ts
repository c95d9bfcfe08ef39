// A Shoal of one test: docs/rest.md over a Map, with faults on demand. Only tests import it.
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, IncomingMessage, Server, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ErrorCode } from '#foundation/errors.ts'
import { encodeName } from '#foundation/name.ts'
import { tryParseTimestamp } from '#foundation/timestamp.ts'
import {
  describeUpload,
  entry,
  type FakeFile,
  type FakeUpload,
  type FakeVolume,
  need,
  Problem,
  settings,
  sha256Of,
  status,
} from './fake-volume.suite.ts'
import { FakeTracker } from './fake-tracker.suite.ts'
import { cutResponse, decodeSegment, json, readAll } from './fake-wire.suite.ts'
import type { EntryType, RemoteDrain, RemoteNode } from './wire.ts'

/** What a fault does to one request; `undefined` lets it through. */
export type Fault =
  | { readonly code: ErrorCode; readonly status: number; readonly isAmbiguous?: boolean; readonly isLeaderless?: boolean }
  | { readonly cutAfterBytes: number }
  | 'drop'
  | 'hang'
  | undefined

interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly query: URLSearchParams
  readonly volume: FakeVolume
  readonly path: string
}

export class FakeServer {
  readonly volumes = new Map<string, FakeVolume>()
  readonly requests: string[] = []
  readonly headers: IncomingHttpHeaders[] = []
  readonly tracker = new FakeTracker()
  nodes: readonly Partial<RemoteNode>[] = []
  /** Of any of them that is draining. */
  drain: RemoteDrain | undefined
  /** Asked for each request. */
  fault: (request: IncomingMessage) => Fault = () => undefined
  /** What becomes of the bytes of a file on their way out. */
  damage: (bytes: Buffer) => Buffer = (bytes) => bytes
  accessKey = 'key'
  secretKey = 'secret'
  #server: Server
  #inodes = 1

  private constructor(server: Server) {
    this.#server = server
  }

  static async start(): Promise<FakeServer> {
    const server = createServer({ maxHeaderSize: 128 * 1024 })
    const fake = new FakeServer(server)
    server.on('request', (request, response) => void fake.#serve(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return fake
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  makeVolume(name: string): FakeVolume {
    const volume: FakeVolume = { policy: {}, files: new Map(), uploads: new Map() }
    this.volumes.set(name, volume)
    return volume
  }

  put(volume: FakeVolume, path: string, file: Partial<FakeFile> = {}): FakeFile {
    const parts = path.split('/')
    for (let depth = 1; depth < parts.length; depth += 1) {
      const parent = parts.slice(0, depth).join('/')
      const there = volume.files.get(parent)
      if (there !== undefined && there.type !== 'directory')
        throw new Problem(409, 'NOT_A_DIRECTORY', `"${parent}" is not a directory`)
      if (there === undefined) volume.files.set(parent, this.#make({ type: 'directory', mode: '0755' }))
    }
    const before = volume.files.get(path)
    if (before?.type === 'directory' && (file.type ?? 'file') !== 'directory')
      throw new Problem(409, 'IS_A_DIRECTORY', `"${path}" is a directory`)
    const made = this.#make({ ...file, ...(before === undefined ? {} : { inode: before.inode, version: before.version + 1 }) })
    volume.files.set(path, made)
    return made
  }

  #make(file: Partial<FakeFile>): FakeFile {
    const defaults = {
      type: 'file',
      bytes: Buffer.alloc(0),
      mode: '0644',
      mtime: '2026-01-02T03:04:05.000000000Z',
      version: 1,
    } as const
    return { ...defaults, ...file, inode: file.inode ?? (this.#inodes += 1) }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`)
    this.headers.push(request.headers)
    const fault = this.fault(request)
    if (fault === 'hang') return
    if (fault === 'drop') {
      request.destroy()
      return
    }
    try {
      if (fault !== undefined && 'code' in fault) throw new Problem(fault.status, fault.code, 'A planted fault')
      if (fault !== undefined) cutResponse(response, fault.cutAfterBytes)
      await this.#route(request, response)
    } catch (error) {
      const { status, code } = error instanceof Problem ? error : { status: 500, code: 'INTERNAL' }
      const body = JSON.stringify({
        type: 'about:blank',
        title: code,
        status,
        code,
        ...(typeof fault === 'object' && 'isAmbiguous' in fault ? { ambiguous: fault.isAmbiguous } : {}),
        ...(typeof fault === 'object' && 'isLeaderless' in fault ? { leaderless: fault.isLeaderless } : {}),
        detail: (error as Error).message,
        requestId: '1',
      })
      response.writeHead(status, { 'content-type': 'application/problem+json' }).end(request.method === 'HEAD' ? undefined : body)
      request.resume()
    }
  }

  async #route(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const expected = `Basic ${Buffer.from(`${this.accessKey}:${this.secretKey}`).toString('base64')}`
    if (request.headers.authorization !== expected) throw new Problem(401, 'UNAUTHENTICATED', 'The keys are not known')
    const [target = '', search] = (request.url as string).slice('/api/v1/'.length).split('?')
    const query = new URLSearchParams(search)
    const [head, name, kind, ...rest] = target.split('/')
    if (head === 'status') return json(response, 200, status(this.volumes))
    if (head === 'nodes' && kind === 'drain' && this.drain !== undefined) return json(response, 200, this.drain)
    if (head === 'nodes' && kind === 'drain') throw new Problem(409, 'CONFLICT', 'It is not to be drained')
    if (head === 'nodes') return json(response, 200, { nodes: this.nodes })
    if (head === 'tracker') return this.tracker.answer(request, response, name)
    if (head === 'fsck') return this.#fsck(request, response)
    if (head !== 'volumes') throw new Problem(404, 'NOT_FOUND', `There is no ${target}`)
    if (name === undefined) return json(response, 200, { volumes: [...this.volumes.keys()].map((each) => this.#describe(each)) })
    if (kind === undefined) return this.#volume(request, response, { name, query })
    const volume = this.volumes.get(name)
    if (volume === undefined) throw new Problem(404, 'VOLUME_NOT_FOUND', `There is no volume "${name}"`)
    const exchange = { request, response, query, volume, path: rest.map(decodeSegment).join('/') }
    if (kind === 'files') return this.#files(exchange)
    if (kind === 'entries') return request.method === 'GET' ? list(exchange) : this.#operate(exchange)
    if (kind === 'attributes') return json(response, 200, entry(exchange.path, need(volume, exchange.path), true))
    if (kind === 'uploads') return this.#uploads(exchange)
    if (kind === 'batch') return this.#batch(exchange)
    throw new Problem(404, 'NOT_FOUND', `There is no ${target}`)
  }

  #describe(name: string): object {
    const volume = this.volumes.get(name) as FakeVolume
    const bytes = [...volume.files.values()].reduce((sum, file) => sum + file.bytes.length, 0)
    const defaults = {
      consistency: 'strong',
      class: 'default',
      chunkSizeBytes: 8388608,
      quotaBytes: null,
      quotaFiles: null,
      durability: 'durable',
    }
    return {
      name,
      id: 1,
      ...defaults,
      ...volume.policy,
      usage: { bytes, files: volume.files.size },
      created: '2026-01-01T00:00:00.000000000Z',
    }
  }

  async #volume(
    request: IncomingMessage,
    response: ServerResponse,
    { name, query }: { name: string; query: URLSearchParams },
  ): Promise<void> {
    const body = await readAll(request)
    const there = this.volumes.get(name)
    if (request.method === 'PUT') {
      if (there !== undefined && request.headers['if-none-match'] === '*')
        throw new Problem(412, 'PRECONDITION_FAILED', 'It exists')
      const volume = there ?? this.makeVolume(name)
      Object.assign(volume.policy, body.length === 0 ? {} : JSON.parse(body.toString()))
      return json(response, there === undefined ? 201 : 200, this.#describe(name))
    }
    if (there === undefined) throw new Problem(404, 'VOLUME_NOT_FOUND', `There is no volume "${name}"`)
    if (request.method === 'PATCH') Object.assign(there.policy, JSON.parse(body.toString()))
    if (request.method !== 'DELETE') return json(response, 200, this.#describe(name))
    if (there.files.size > 0 && !query.has('force')) throw new Problem(409, 'VOLUME_NOT_EMPTY', `Volume "${name}" is not empty`)
    this.volumes.delete(name)
    response.writeHead(204).end()
  }

  async #files({ request, response, query, volume, path }: Exchange): Promise<void> {
    if (request.method === 'PUT') {
      const bytes = await readAll(request)
      if (request.headers['if-none-match'] === '*' && volume.files.has(path))
        throw new Problem(412, 'PRECONDITION_FAILED', 'It exists')
      const made = this.put(volume, path, {
        bytes,
        ...settings(request.headers['x-shoal-mode'], request.headers['x-shoal-mtime']),
      })
      return json(response, 201, entry(path, made))
    }
    if (request.method === 'DELETE') {
      const below = [...volume.files.keys()].filter((each) => each.startsWith(`${path}/`))
      need(volume, path)
      if (below.length > 0 && !query.has('recursive')) throw new Problem(409, 'DIRECTORY_NOT_EMPTY', `"${path}" is not empty`)
      for (const each of [path, ...below]) volume.files.delete(each)
      response.writeHead(204).end()
      return
    }
    const file = need(volume, path)
    if (file.type === 'directory') throw new Problem(409, 'IS_A_DIRECTORY', `"${path}" is a directory`)
    const { etag, sha256 } = entry(path, file)
    if (request.headers['if-match'] !== undefined && request.headers['if-match'] !== etag)
      throw new Problem(412, 'PRECONDITION_FAILED', 'It changed')
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const bytes =
      range === null ? file.bytes : file.bytes.subarray(Number(range[1]), range[2] === '' ? undefined : Number(range[2]) + 1)
    const mtime = String(tryParseTimestamp(file.mtime))
    const headers = {
      etag,
      'content-length': bytes.length,
      'x-content-sha256': sha256,
      'x-shoal-mode': file.mode,
      'x-shoal-mtime': mtime,
      ...(range === null
        ? {}
        : { 'content-range': `bytes ${range[1]}-${Number(range[1]) + bytes.length - 1}/${file.bytes.length}` }),
    }
    response.writeHead(range === null ? 200 : 206, headers).end(request.method === 'HEAD' ? undefined : this.damage(bytes))
  }

  async #operate({ request, response, volume, path }: Exchange): Promise<void> {
    const { op, ...fields } = JSON.parse((await readAll(request)).toString()) as Record<string, string>
    const there = volume.files.get(path)
    if (op === 'mkdir') {
      const mayExist = Boolean(fields['parents']) && (path === '' || there?.type === 'directory')
      if ((there !== undefined || path === '') && !mayExist) throw new Problem(409, 'ALREADY_EXISTS', `"${path}" exists`)
      const parent = path.split('/').slice(0, -1).join('/')
      if (!fields['parents'] && parent !== '' && !volume.files.has(parent))
        throw new Problem(404, 'NOT_FOUND', `There is no "${parent}"`)
      const made = mayExist ? there : this.put(volume, path, { type: 'directory', mode: fields['mode'] ?? '0755' })
      return json(response, 201, entry(path, made ?? this.#make({ type: 'directory' })))
    }
    if (op === 'symlink') {
      if (there !== undefined) throw new Problem(409, 'ALREADY_EXISTS', `"${path}" exists`)
      return json(
        response,
        201,
        entry(path, this.put(volume, path, { type: 'symlink', mode: '0777', target: fields['target'] as string })),
      )
    }
    const file = need(volume, path)
    const to = fields['to'] ?? ''
    if (op === 'attributes') {
      Object.assign(file, settings(fields['mode'], fields['mtime']))
      return json(response, 200, entry(path, file))
    }
    if (op !== 'move' && op !== 'copy') throw new Problem(400, 'INVALID_ARGUMENT', `There is no operation "${op}"`)
    if (fields['mode'] === 'no-replace' && volume.files.has(to)) throw new Problem(409, 'ALREADY_EXISTS', `"${to}" exists`)
    for (const [each, moved] of [...volume.files].filter(([name]) => name === path || name.startsWith(`${path}/`))) {
      this.put(volume, to + each.slice(path.length), { ...moved })
      if (op === 'move') volume.files.delete(each)
    }
    return json(response, 200, entry(to, need(volume, to)))
  }

  async #uploads({ request, response, volume, path }: Exchange): Promise<void> {
    const [id, action, number] = path.split('/')
    const body = await readAll(request)
    if (request.method === 'POST' && id === '') {
      const fields = JSON.parse(body.toString()) as Record<string, string>
      const made: FakeUpload = {
        id: String(volume.uploads.size + 1).padStart(32, '0'),
        path: fields['path'] as string,
        settings: fields,
        parts: new Map(),
      }
      volume.uploads.set(made.id, made)
      return json(response, 201, describeUpload(made))
    }
    if (id === '') return json(response, 200, { uploads: [...volume.uploads.values()].map(describeUpload) })
    const upload = volume.uploads.get(id as string)
    if (upload === undefined) throw new Problem(404, 'UPLOAD_NOT_FOUND', `There is no upload "${id}"`)
    if (action === 'parts') {
      const info = { number: Number(number), size: body.length, sha256: sha256Of(body) }
      upload.parts.set(info.number, { info, bytes: body })
      return json(response, 200, info)
    }
    if (request.method === 'GET') return json(response, 200, describeUpload(upload))
    volume.uploads.delete(upload.id)
    if (request.method === 'DELETE') {
      response.writeHead(204).end()
      return
    }
    const bytes = Buffer.concat([...upload.parts].toSorted(([a], [b]) => a - b).map(([, part]) => part.bytes))
    json(
      response,
      201,
      entry(
        upload.path,
        this.put(volume, upload.path, { bytes, ...settings(upload.settings['mode'], upload.settings['mtime']) }),
      ),
    )
  }

  async #batch({ request, response, volume, path }: Exchange): Promise<void> {
    const body = await readAll(request)
    const lines: string[] = []
    for (let at = 0; at < body.length;) {
      const headerEnd = at + 4 + body.readUInt32BE(at)
      const header = JSON.parse(body.toString('utf8', at + 4, headerEnd)) as Record<string, string> & {
        size: number
        type?: EntryType
      }
      at = headerEnd + header.size
      const full = path === '' ? header['path'] : `${path}/${header['path']}`
      try {
        const same = header.type === 'directory' && volume.files.get(full as string)?.type === 'directory'
        const bytes = Buffer.from(body.subarray(headerEnd, at))
        if (header.type === 'symlink' && volume.files.has(full as string))
          throw new Problem(409, 'ALREADY_EXISTS', `"${full}" exists`)
        if (header['sha256'] !== undefined && header['sha256'] !== sha256Of(bytes))
          throw new Problem(400, 'DIGEST_MISMATCH', 'Other bytes')
        const { type = 'file', target } = header
        const wished = { type, ...settings(header['mode'], header['mtime']), ...(target === undefined ? {} : { target }) }
        if (same) Object.assign(need(volume, full as string), wished)
        else this.put(volume, full as string, { bytes, ...wished })
        lines.push('{"status":201,"etag":"\\"1-1\\""}')
      } catch (error) {
        const { status: code, code: name, message } = error as Problem
        lines.push(JSON.stringify({ status: code, code: name, detail: message }))
      }
    }
    response.writeHead(200, { 'content-type': 'application/x-ndjson' }).end(lines.map((line) => `${line}\n`).join(''))
  }

  /** A finding for each file whose content is "damaged". */
  async #fsck(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { repair = false } = JSON.parse((await readAll(request)).toString()) as { repair?: boolean }
    const damaged = [...this.volumes].flatMap(([name, { files }]) =>
      [...files].filter(([, file]) => file.bytes.equals(Buffer.from('damaged'))).map(([path]) => `${name}:/${path}`),
    )
    const findings = damaged.map((where) => ({ kind: 'finding', problem: 'corrupt chunk', where, repaired: repair }))
    const result = {
      kind: 'result',
      clean: damaged.length === 0,
      findings: damaged.length,
      repaired: repair ? damaged.length : 0,
    }
    response
      .writeHead(200)
      .end([{ kind: 'progress', done: 1 }, ...findings, result].map((line) => `${JSON.stringify(line)}\n`).join(''))
  }
}

function list({ response, query, volume, path }: Exchange): void {
  if (path !== '' && need(volume, path).type !== 'directory')
    throw new Problem(409, 'NOT_A_DIRECTORY', `"${path}" is not a directory`)
  const prefix = path === '' ? '' : `${path}/`
  const recursive = query.has('recursive')
  const wanted = [...volume.files.keys()].filter(
    (each) => each.startsWith(prefix) && (recursive || !each.slice(prefix.length).includes('/')),
  )
  wanted.sort((a, b) => Buffer.compare(encodeName(a), encodeName(b)))
  const start = Number(query.get('cursor') ?? 0)
  const end = start + Number(query.get('limit') ?? 1000)
  const entries = wanted.slice(start, end).map((each) => entry(each, need(volume, each)))
  json(response, 200, { entries, ...(end < wanted.length ? { next: String(end) } : {}) })
}
