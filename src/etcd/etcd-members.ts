import { createHash } from 'node:crypto'
import { dirname } from 'node:path'
import { isShoalError, ShoalError } from '#foundation/errors.ts'
import { storageError } from '#platform/files.ts'
import type { Files, OpenFile } from '#platform/files.ts'
import type { EtcdMember, ObservedMember } from './etcd-member.ts'

/** etcd's JSON door at one member: `EtcdDoor`. Calls end by themselves after a few seconds. */
export interface EtcdCalls {
  /** @throws UNAVAILABLE: no answer, or a refusal; others as the door has them */
  call<T>(path: string, body: object): Promise<T>
  stream<T>(path: string, body: object, signal: AbortSignal): AsyncIterable<T>
  close(): Promise<void>
}

export interface EtcdMembersOptions {
  /** Client URLs of some members: the others are learnt from them. */
  readonly endpoints: readonly string[]
  readonly connect: (endpoint: string) => EtcdCalls
}

export interface EtcdStatus {
  readonly memberId: string
  readonly version: string
  /** Undefined while there is none. */
  readonly leaderId: string | undefined
  /** The last entry of etcd's own log that it has, and that it has applied. */
  readonly raftIndex: number
  readonly appliedIndex: number
  readonly dbBytes: number
  readonly isLearner: boolean
}

/** A second of full load behind counts as caught up. etcd looks again at a promotion, and refuses below nine tenths. */
const CAUGHT_UP_ENTRIES = 1_000
/** At its end a snapshot has the SHA-256 of the rest. */
const DIGEST_BYTES = 32

interface MemberJson {
  readonly ID: string
  readonly name?: string
  readonly peerURLs?: readonly string[]
  readonly clientURLs?: readonly string[]
  readonly isLearner?: boolean
}

interface StatusJson {
  readonly header: { readonly member_id: string }
  readonly version: string
  readonly leader?: string
  readonly raftIndex?: string
  readonly raftAppliedIndex?: string
  readonly dbSize?: string
  readonly isLearner?: boolean
}

/** The members of one etcd cluster: who they are and how they are, and changes among them. One caller at a time changes them.
 *  Calls: https://etcd.io/docs/v3.4/dev-guide/api_reference_v3/, in their JSON form. */
export class EtcdMembers {
  readonly #connect: (endpoint: string) => EtcdCalls
  readonly #seeds: readonly string[]
  readonly #calls = new Map<string, EtcdCalls>()
  #endpoints: readonly string[]

  constructor({ endpoints, connect }: EtcdMembersOptions) {
    this.#seeds = endpoints
    this.#endpoints = endpoints
    this.#connect = connect
  }

  /** As the first member that answers, and knows a leader, has them. @throws UNAVAILABLE */
  async list(): Promise<readonly EtcdMember[]> {
    const { members } = await this.#ask<{ members: readonly MemberJson[] }>('cluster/member/list', {}, 'list the members')
    const known = members.map(toMember)
    await this.#learn(known)
    return known
  }

  /** The list, and what each of them says of itself. @throws UNAVAILABLE: none answers */
  async observe(): Promise<readonly ObservedMember[]> {
    const members = await this.list()
    const statuses = await Promise.all(members.map((member) => this.#statusOf(member)))
    const lastIndex = Math.max(...statuses.map((status) => status?.raftIndex ?? 0))
    return members.map((member, at) => {
      const status = statuses[at]
      return {
        ...member,
        isHealthy: status?.leaderId !== undefined,
        isLeader: status?.leaderId === member.id,
        isCaughtUp: status !== undefined && status.appliedIndex + CAUGHT_UP_ENTRIES >= lastIndex,
      }
    })
  }

  /** What the member behind `endpoint` says of itself. @throws UNAVAILABLE, also if it knows no leader */
  async status(endpoint: string): Promise<EtcdStatus> {
    const said = await this.#at(endpoint).call<StatusJson>('maintenance/status', {})
    const { leader = '0' } = said
    return {
      memberId: said.header.member_id,
      version: said.version,
      leaderId: leader === '0' ? undefined : leader,
      raftIndex: Number(said.raftIndex ?? 0),
      appliedIndex: Number(said.raftAppliedIndex ?? 0),
      dbBytes: Number(said.dbSize ?? 0),
      isLearner: said.isLearner === true,
    }
  }

  /** The members with the new one, which may start now. It takes one learner at a time.
   *  @throws UNAVAILABLE: refused, such as while a voter doesn't answer; or nobody knows whether it was done */
  async addLearner(peerUrl: string): Promise<readonly EtcdMember[]> {
    const body = { peerURLs: [peerUrl], isLearner: true }
    const { members } = await this.#ask<{ members: readonly MemberJson[] }>('cluster/member/add', body, `add "${peerUrl}"`)
    return members.map(toMember)
  }

  /** Gives a learner its vote. @throws NOT_FOUND, UNAVAILABLE as `addLearner`: it may be too far behind */
  async promote(id: string): Promise<void> {
    await this.#ask('cluster/member/promote', { ID: id }, `give member ${id} a vote`)
  }

  /** Its process ends by itself, and never gets in again with the data that it has. @throws NOT_FOUND, UNAVAILABLE as `addLearner` */
  async remove(id: string): Promise<void> {
    await this.#ask('cluster/member/remove', { ID: id }, `remove member ${id}`)
  }

  /** Lets another voter lead etcd, once it has what the leader has, which is the member behind `endpoint`.
   *  @throws UNAVAILABLE: it doesn't lead, or the other one didn't get there in time */
  async handOn(endpoint: string, toId: string): Promise<void> {
    await this.#at(endpoint).call('maintenance/transfer-leadership', { targetID: toId })
  }

  /** Before the member starts at another address. @throws NOT_FOUND, UNAVAILABLE as `addLearner` */
  async update(id: string, peerUrl: string): Promise<void> {
    await this.#ask('cluster/member/update', { ID: id, peerURLs: [peerUrl] }, `move member ${id} to "${peerUrl}"`)
  }

  /** Writes all that etcd holds into a new file at `path`, checked and durable; answers its size in bytes. What was there is
   *  replaced. `etcdctl snapshot restore` reads it. @throws UNAVAILABLE, CANCELLED, NO_SPACE, STORAGE_FAILED */
  async saveSnapshot(path: string, { files, signal }: { readonly files: Files; readonly signal: AbortSignal }): Promise<number> {
    // Behind it, the first one is a voter that answers.
    await this.list()
    const [endpoint] = this.#endpoints
    const growing = `${path}.part`
    try {
      await files.remove(growing)
      const file = await files.open(growing, 'create', 0o600)
      let bytes = 0
      try {
        bytes = await writeChecked(file, this.#at(endpoint as string).stream('maintenance/snapshot', {}, signal))
        await file.datasync()
      } finally {
        await file.close()
      }
      await files.rename(growing, path)
      await files.syncFolder(dirname(path))
      return bytes
    } catch (error) {
      await files.remove(growing).catch(() => {})
      if (signal.aborted) throw new ShoalError('CANCELLED', 'The snapshot was cancelled', { cause: error })
      throw storageError(error, `save a snapshot of etcd to "${path}"`)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#calls.values()].map((calls) => calls.close()))
    this.#calls.clear()
  }

  async #statusOf({ clientUrls: [endpoint] }: EtcdMember): Promise<EtcdStatus | undefined> {
    if (endpoint === undefined) return undefined
    try {
      return await this.status(endpoint)
    } catch (error) {
      if (isShoalError(error, 'UNAVAILABLE')) return undefined
      throw error
    }
  }

  /** Asks one member after the other; the one that answered is the first next time. Learners answer nothing here. */
  async #ask<T>(path: string, body: object, doing: string): Promise<T> {
    let failure: unknown
    for (const endpoint of this.#endpoints) {
      try {
        const answer = await this.#at(endpoint).call<T>(path, body)
        this.#endpoints = [endpoint, ...this.#endpoints.filter((other) => other !== endpoint)]
        return answer
      } catch (error) {
        if (!isShoalError(error, 'UNAVAILABLE')) throw error
        // A refusal says more than the silence of the next one.
        if (failure === undefined || typeof error.cause === 'string') failure = error
      }
    }
    throw new ShoalError('UNAVAILABLE', `Cannot ${doing}: ${describe(failure)}`, { cause: failure })
  }

  /** From now on these are asked; what was given at first comes last, in case that all of them are gone. */
  async #learn(members: readonly EtcdMember[]): Promise<void> {
    const urls = members.flatMap(({ clientUrls }) => clientUrls)
    const [current] = this.#endpoints
    const first = urls.filter((url) => url === current)
    this.#endpoints = [...new Set([...first, ...urls, ...this.#seeds])]
    for (const [endpoint, calls] of this.#calls) {
      if (this.#endpoints.includes(endpoint)) continue
      this.#calls.delete(endpoint)
      await calls.close()
    }
  }

  #at(endpoint: string): EtcdCalls {
    let calls = this.#calls.get(endpoint)
    if (calls === undefined) this.#calls.set(endpoint, (calls = this.#connect(endpoint)))
    return calls
  }
}

async function writeChecked(file: OpenFile, pieces: AsyncIterable<{ readonly blob?: string }>): Promise<number> {
  const hash = createHash('sha256')
  let tail = Buffer.alloc(0)
  let bytes = 0
  for await (const { blob = '' } of pieces) {
    const piece = Buffer.from(blob, 'base64')
    await file.write([piece], bytes)
    bytes += piece.length
    const unhashed = Buffer.concat([tail, piece])
    const end = Math.max(0, unhashed.length - DIGEST_BYTES)
    hash.update(unhashed.subarray(0, end))
    tail = unhashed.subarray(end)
  }
  if (bytes > DIGEST_BYTES && hash.digest().equals(tail)) return bytes
  throw new ShoalError('UNAVAILABLE', `The snapshot of etcd ended early, or is damaged: ${bytes} bytes came`)
}

function toMember({ ID, name = '', peerURLs = [], clientURLs = [], isLearner = false }: MemberJson): EtcdMember {
  return { id: ID, name, peerUrls: peerURLs, clientUrls: clientURLs, role: isLearner ? 'learner' : 'voter' }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return 'no endpoint is known'
  return typeof error.cause === 'string' ? error.cause : error.message
}
