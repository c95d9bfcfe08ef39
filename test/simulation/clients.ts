import type { Clock } from '#platform/clock.ts'
import type { SeededRandom } from '#platform/seeded-random.ts'
import { contentOf, valueOf } from './contents.ts'
import type { FileCall } from './file-group.ts'
import type { GatewayClient } from './gateway-client.ts'
import type { Operation } from './linearizability.ts'
import type { Answer, Request } from './requests.ts'
import {
  copyObjectStep,
  createStep,
  listStep,
  moveStep,
  patchStep,
  readSettingStep,
  readStep,
  removeStep,
  replaceStep,
  settingStep,
  writeStep,
} from './steps.ts'
import type { Content, DoorName, Place, Step } from './steps.ts'
import { Uploader } from './uploads.ts'

export type Seen = Operation<FileCall> & { readonly client: string; readonly node: string }

export interface ClientOptions {
  readonly random: SeededRandom
  /** A moment that nothing else has. */
  readonly now: () => number
  readonly gateway: GatewayClient
  readonly clock: Clock
}

/** How many requests of a hundred go through S3's door. */
const S3_SHARE = 0.3

/** Groups of two files, and all that was seen of each; and one value that is no file, but a setting of the volume. */
export class Clients {
  readonly histories = new Map<string, Seen[]>()
  /** Answers that nothing that was done can explain. */
  readonly wrong: string[] = []
  readonly counts = { acknowledged: 0, refused: 0, unknown: 0 }
  readonly #options: ClientOptions
  readonly #uploader: Uploader
  #values = 0
  #keys = 0

  constructor(options: ClientOptions) {
    this.#options = options
    this.#uploader = new Uploader({ ...options, wrong: (at, request, answer) => this.#note(at, request, answer) })
  }

  /** One operation on a group. */
  async act(place: Omit<Place, 'name'>): Promise<void> {
    const { random } = this.#options
    const at: Place = { ...place, name: random.chance(0.5) ? 'a' : 'b' }
    const door: DoorName = random.chance(S3_SHARE) ? 's3' : 'rest'
    const dice = random.fraction()
    if (dice < 0.32) await this.read(at, door)
    else if (dice < 0.39) await this.#run(at, listStep(at, door))
    else if (dice < 0.55) await this.#run(at, writeStep(at, door, this.#content()))
    else if (dice < 0.61) await this.#run(at, createStep(at, door, this.#content()))
    else if (dice < 0.66) await this.#replace(at, door)
    else if (dice < 0.71) await this.#upload(at, door)
    else if (dice < 0.78) await this.#run(at, patchStep(at, this.#value()))
    else if (dice < 0.85) await this.#run(at, removeStep(at, door))
    else if (dice < 0.92) await this.#run(at, moveStep(at, 'rename'))
    else if (door === 's3') await this.#copyObject(at)
    else await this.#run(at, moveStep(at, 'copy'))
  }

  /** True if there was an answer. */
  async read(at: Place, door: DoorName): Promise<boolean> {
    return (await this.#run(at, readStep(at, door))) !== undefined
  }

  /** Sets the volume's setting, or reads it. */
  async useSetting(place: Pick<Place, 'client' | 'node'>): Promise<void> {
    if (this.#options.random.chance(0.5)) await this.readSetting(place)
    else await this.#run(settingOf(place), settingStep(1_000_000 + Number(this.#value())))
  }

  async readSetting(place: Pick<Place, 'client' | 'node'>): Promise<boolean> {
    return (await this.#run(settingOf(place), readSettingStep())) !== undefined
  }

  /** Reads, and puts something in the place of what was read, if it is still that. */
  async #replace(at: Place, door: DoorName): Promise<void> {
    const answer = await this.#run(at, readStep(at, door))
    if (answer?.kind !== 'done' || answer.etag === undefined) return
    await this.#run(at, replaceStep(at, door, { ...this.#content(), etag: answer.etag, seen: valueOf(answer.content) }))
  }

  async #copyObject(at: Place): Promise<void> {
    const answer = await this.#run(at, readStep(at, 's3'))
    if (answer?.kind !== 'done' || answer.etag === undefined) return
    await this.#run(at, copyObjectStep(at, { etag: answer.etag, seen: valueOf(answer.content) }))
  }

  async #upload(at: Place, door: DoorName): Promise<void> {
    const step = await this.#uploader.begin(at, door, this.#content())
    if (step !== undefined) await this.#run(at, step)
  }

  #value(): string {
    this.#values += 1
    return String(this.#values)
  }

  #content(): Content {
    const value = this.#value()
    return { value, bytes: contentOf(value, this.#options.random) }
  }

  /** @returns the answer, if it tells something */
  async #run(at: Place, step: Step): Promise<Answer | undefined> {
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
    if (call === undefined && answer.kind === 'unknown' && step.unknown !== undefined) return undefined
    if (step.unknown !== undefined) history.splice(history.indexOf(seen), 1)
    if (call === undefined) return undefined
    history.push({ ...seen, call, end: now() })
    return answer
  }

  /** Most clients give their changes keys, and come again with them; others leave it to the nodes. */
  #named(request: Request): Request {
    if (request.door === 's3' || request.method === 'GET' || this.#options.random.chance(0.4)) return request
    this.#keys += 1
    return { ...request, key: `key-${this.#keys}` }
  }

  #meaning(at: Place, step: Step, answer: Answer): FileCall | undefined {
    this.counts[answer.kind === 'refused' || answer.kind === 'unknown' ? answer.kind : 'acknowledged'] += 1
    if (answer.kind === 'done') return step.done(answer.content)
    if (answer.kind !== 'failed') return undefined
    if (answer.code === 'PRECONDITION_FAILED' && step.conflict !== undefined) return step.conflict
    if (answer.code === 'NOT_FOUND' && step.absent !== undefined) return step.absent
    if (answer.code !== step.gone?.()) this.#note(at, step.request, answer)
    return undefined
  }

  #note(at: Place, { door = 'rest', method, target }: Request, answer: Answer): void {
    const said = answer.kind === 'failed' ? `${answer.code} ${answer.message}` : answer.kind
    this.wrong.push(`${at.client} at ${at.node.host}, ${door} ${method} ${target}: ${said}`)
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

function settingOf({ client, node }: Pick<Place, 'client' | 'node'>): Place {
  return { client, node, group: 'setting', name: 'a' }
}
