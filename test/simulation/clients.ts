import type { SeededRandom } from '#platform/seeded-random.ts'
import { contentOf, headOf, valueOf } from './contents.ts'
import type { FileCall, FileName } from './file-group.ts'
import type { Answer, GatewayClient, Request } from './gateway-client.ts'
import type { Operation } from './linearizability.ts'
import type { SimulatedNode } from './simulated-node.ts'

export const VOLUME = 'docs'

export type Seen = Operation<FileCall> & { readonly client: string; readonly node: string }

export interface ClientOptions {
  readonly random: SeededRandom
  /** A moment that nothing else has. */
  readonly now: () => number
  readonly gateway: GatewayClient
}

/** Where an operation goes: any node serves any request. */
export interface Place {
  readonly client: string
  readonly group: string
  readonly name: FileName
  readonly node: SimulatedNode
}

/** A request and what it means, by what was answered. */
interface Step {
  readonly request: Request
  /** What may have happened if nobody knows; `undefined` of what changes nothing. */
  readonly unknown: FileCall | undefined
  done(content: Buffer): FileCall
  /** The name isn't there. */
  readonly absent: FileCall | undefined
  /** The name is there. */
  readonly taken?: FileCall
}

/** Groups of two files, and all that was seen of each; and one value that is no file, but a setting of the volume. */
export class Clients {
  readonly histories = new Map<string, Seen[]>()
  /** Answers that nothing that was done can explain. */
  readonly wrong: string[] = []
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 }
  readonly #options: ClientOptions
  #values = 0
  #keys = 0

  constructor(options: ClientOptions) {
    this.#options = options
  }

  /** One operation on a group. */
  async act(place: Omit<Place, 'name'>): Promise<void> {
    const { random } = this.#options
    const at: Place = { ...place, name: random.chance(0.5) ? 'a' : 'b' }
    const dice = random.fraction()
    if (dice < 0.35) await this.read(at)
    else if (dice < 0.42) await this.#run(at, listStep(at))
    else if (dice < 0.6) await this.#run(at, this.#writeStep(at))
    else if (dice < 0.66) await this.#run(at, this.#createStep(at))
    else if (dice < 0.74) await this.#run(at, this.#patchStep(at))
    else if (dice < 0.82) await this.#run(at, removeStep(at))
    else if (dice < 0.9) await this.#run(at, moveStep(at, 'rename'))
    else await this.#run(at, moveStep(at, 'copy'))
  }

  /** True if there was an answer. */
  read(at: Place): Promise<boolean> {
    return this.#run(at, readStep(at))
  }

  /** Sets the volume's setting, or reads it. */
  async useSetting(place: Pick<Place, 'client' | 'node'>): Promise<void> {
    const at: Place = { ...place, group: 'setting', name: 'a' }
    if (this.#options.random.chance(0.5)) await this.readSetting(place)
    else await this.#run(at, this.#settingStep())
  }

  readSetting(place: Pick<Place, 'client' | 'node'>): Promise<boolean> {
    const done = (content: Buffer): FileCall => {
      const { quotaFiles } = JSON.parse(content.toString()) as { quotaFiles: number | null }
      return { kind: 'read', name: 'a', seen: quotaFiles === null ? null : String(quotaFiles) }
    }
    const request: Request = { method: 'GET', target: `volumes/${VOLUME}` }
    return this.#run({ ...place, group: 'setting', name: 'a' }, { request, unknown: undefined, done, absent: undefined })
  }

  #settingStep(): Step {
    this.#values += 1
    const quotaFiles = 1_000_000 + this.#values
    const call: FileCall = { kind: 'write', name: 'a', value: String(quotaFiles) }
    const content = Buffer.from(JSON.stringify({ quotaFiles }))
    return {
      request: { method: 'PATCH', target: `volumes/${VOLUME}`, content },
      unknown: call,
      done: () => call,
      absent: undefined,
    }
  }

  #writeStep(at: Place): Step {
    this.#values += 1
    const value = String(this.#values)
    const call: FileCall = { kind: 'write', name: at.name, value }
    const request: Request = { method: 'PUT', target: fileTarget(at), content: contentOf(value, this.#options.random) }
    return { request, unknown: call, done: () => call, absent: undefined }
  }

  #createStep(at: Place): Step {
    this.#values += 1
    const value = String(this.#values)
    const call = { kind: 'create', name: at.name, value } as const
    const content = contentOf(value, this.#options.random)
    return {
      request: { method: 'PUT', target: fileTarget(at), content, headers: ['If-None-Match', '*'] },
      unknown: { ...call, isNew: true, isKnown: false },
      done: () => ({ ...call, isNew: true, isKnown: true }),
      absent: undefined,
      taken: { ...call, isNew: false, isKnown: true },
    }
  }

  #patchStep(at: Place): Step {
    this.#values += 1
    const value = String(this.#values)
    const call = { kind: 'patch', name: at.name, value, isFound: true } as const
    return {
      request: { method: 'PATCH', target: `${fileTarget(at)}?offset=0`, content: headOf(value) },
      unknown: { ...call, isKnown: false },
      done: () => ({ ...call, isKnown: true }),
      absent: { ...call, isFound: false, isKnown: true },
    }
  }

  async #run(at: Place, step: Step): Promise<boolean> {
    const { now, gateway } = this.#options
    const began = now()
    const history = this.#historyOf(at.group)
    // Until the answer is there it may happen at any time.
    const seen: Seen = {
      client: at.client,
      node: at.node.host,
      begin: began,
      end: Number.POSITIVE_INFINITY,
      call: step.unknown ?? NOTHING,
    }
    if (step.unknown !== undefined) history.push(seen)
    const answer = await gateway.send(at.node, this.#named(step.request))
    const call = this.#meaning(at, step, answer)
    if (call === undefined && answer.kind !== 'refused' && step.unknown !== undefined) return false
    if (step.unknown !== undefined) history.splice(history.indexOf(seen), 1)
    if (call === undefined) return false
    history.push({ ...seen, call, end: now() })
    return true
  }

  /** Most clients give their changes keys, and come again with them; others leave it to the nodes. */
  #named(request: Request): Request {
    if (request.method === 'GET' || this.#options.random.chance(0.4)) return request
    this.#keys += 1
    return { ...request, key: `key-${this.#keys}` }
  }

  #meaning(at: Place, step: Step, answer: Answer): FileCall | undefined {
    this.counts[answer.kind === 'refused' || answer.kind === 'unknown' ? answer.kind : 'acknowledged'] += 1
    if (answer.kind === 'done') return step.done(answer.content)
    if (answer.kind !== 'failed') return undefined
    if (answer.code === 'PRECONDITION_FAILED' && step.taken !== undefined) return step.taken
    if (answer.code === 'NOT_FOUND' && step.absent !== undefined) return step.absent
    this.wrong.push(
      `${at.client} at ${at.node.host}, ${step.request.method} ${step.request.target}: ${answer.code} ${answer.message}`,
    )
    return undefined
  }

  #historyOf(group: string): Seen[] {
    const known = this.histories.get(group)
    if (known !== undefined) return known
    const history: Seen[] = []
    this.histories.set(group, history)
    return history
  }
}

const NOTHING: FileCall = { kind: 'list', seen: [] }

function fileTarget({ group, name }: Place): string {
  return `volumes/${VOLUME}/files/${group}/${name}`
}

function readStep(at: Place): Step {
  const done = (content: Buffer): FileCall => ({ kind: 'read', name: at.name, seen: valueOf(content) })
  const absent: FileCall = { kind: 'read', name: at.name, seen: null }
  return { request: { method: 'GET', target: fileTarget(at) }, unknown: undefined, done, absent }
}

function listStep({ group }: Place): Step {
  const done = (content: Buffer): FileCall => {
    const { entries } = JSON.parse(content.toString()) as { entries: { name: FileName }[] }
    return { kind: 'list', seen: entries.map(({ name }) => name) }
  }
  const request: Request = { method: 'GET', target: `volumes/${VOLUME}/entries/${group}` }
  return { request, unknown: undefined, done, absent: { kind: 'list', seen: [] } }
}

function removeStep(at: Place): Step {
  const call = { kind: 'remove', name: at.name, isFound: true } as const
  return {
    request: { method: 'DELETE', target: fileTarget(at) },
    unknown: { ...call, isKnown: false },
    done: () => ({ ...call, isKnown: true }),
    absent: { ...call, isFound: false, isKnown: true },
  }
}

function moveStep(at: Place, kind: 'rename' | 'copy'): Step {
  const call = { kind, name: at.name, isFound: true } as const
  const to = `${at.group}/${at.name === 'a' ? 'b' : 'a'}`
  const operation = kind === 'rename' ? { op: 'move', to } : { op: 'copy', to, replace: true }
  const content = Buffer.from(JSON.stringify(operation))
  return {
    request: { method: 'POST', target: `volumes/${VOLUME}/entries/${at.group}/${at.name}`, content },
    unknown: { ...call, isKnown: false },
    done: () => ({ ...call, isKnown: true }),
    absent: { ...call, isFound: false, isKnown: true },
  }
}
