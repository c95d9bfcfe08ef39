import { isShoalError } from '#foundation/errors.ts'
import { peerUrlOf } from '#etcd/etcd-flags.ts'
import type { EtcdPlace } from '#etcd/etcd-flags.ts'
import type { EtcdMember } from '#etcd/etcd-member.ts'
import type { EtcdMembers } from '#etcd/etcd-members.ts'
import type { EtcdState, EtcdSupervisor } from '#etcd/etcd-supervisor.ts'
import type { Log } from '#observe/log.ts'
import type { Clock } from '#platform/clock.ts'

/** How often this node looks whether it is to run a member, and who the others are. */
const LOOK_MS = 1_000
/** A member that lags behind may not list this one yet; one that was removed is listed by nobody, and ends by itself. */
const ABSENT_LOOKS = 5
/** Nobody is told of an etcd that doesn't answer before so many looks in a row: it may be electing, or not have begun. */
const SILENT_LOOKS = 30

export interface EtcdSeatOptions {
  readonly place: EtcdPlace
  readonly supervisor: Pick<EtcdSupervisor, 'start' | 'stop' | 'forget' | 'hasData' | 'begun' | 'state'>
  readonly members: Pick<EtcdMembers, 'list' | 'update' | 'remove'>
  readonly clock: Clock
  readonly log: Log
  /** This node begins the cluster's etcd if there isn't any data of it here. */
  readonly isFounder: boolean
  /** Told of the voters' client URLs, this node's own first, whenever they are others; and once the founder's etcd answers. */
  readonly onVoters: (endpoints: readonly string[]) => Promise<void>
}

/** This node's place among the members of the cluster's etcd: runs one when it is a member, and none otherwise. Who becomes one is
 *  decided where the metadata is led (`EtcdVoters`); here that is seen, and done. */
export class EtcdSeat {
  readonly #options: EtcdSeatOptions
  readonly #stopping = new AbortController()
  #isFounder: boolean
  #voters: readonly string[] = []
  #absentLooks = 0
  #silentLooks = 0
  /** The member that joined here with nothing. */
  #joinedAs: string | undefined
  #complaint: string | undefined
  #looking: Promise<void> | undefined

  constructor(options: EtcdSeatOptions) {
    this.#options = options
    this.#isFounder = options.isFounder
  }

  get state(): EtcdState {
    return this.#options.supervisor.state
  }

  /** Starts what has its data here, or what is to be begun; then goes on looking until `stop`.
   *  @throws as `EtcdSupervisor.start`: for whoever has neither, later failures are logged and tried again */
  async start(): Promise<void> {
    const { supervisor, place } = this.#options
    if (await supervisor.hasData()) await supervisor.start(place, 'resume')
    else if (this.#isFounder) await supervisor.start(place, 'found')
    this.#looking = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#looking
    await this.#options.supervisor.stop({ isAlone: this.#voters.length <= 1 })
  }

  async #run(): Promise<void> {
    const { clock, log } = this.#options
    while (!this.#stopping.signal.aborted) {
      try {
        await this.#look()
        this.#complaint = undefined
      } catch (error) {
        const { message } = error as Error
        // Said once, not every second.
        if (message !== this.#complaint) log.warn('this node cannot take its place in etcd yet', { error })
        this.#complaint = message
      }
      await clock.sleep(LOOK_MS, this.#stopping.signal).catch(() => {})
    }
  }

  async #look(): Promise<void> {
    const { place, members, supervisor } = this.#options
    const found = await members.list().catch((error: unknown) => {
      this.#silentLooks += 1
      if (isShoalError(error, 'UNAVAILABLE') && this.#silentLooks < SILENT_LOOKS) return undefined
      throw error
    })
    if (found !== undefined) this.#silentLooks = 0
    if (found === undefined || this.#stopping.signal.aborted) return
    const own = found.find(({ name, peerUrls }) => name === place.nodeId || (name === '' && peerUrls.includes(peerUrlOf(place))))
    await this.#tellVoters(found)
    if (own === undefined || this.#isAddedAnew(own)) return this.#leave()
    this.#absentLooks = 0
    if (own.name !== '') supervisor.begun()
    if (await this.#isEmptied(own)) return this.#giveUp(own)
    // What it is called by is in the list; it has moved.
    if (own.name !== '' && !own.peerUrls.includes(peerUrlOf(place))) await members.update(own.id, peerUrlOf(place))
    if (this.state.kind === 'stopped') await this.#takeSeat(own, found)
  }

  async #takeSeat(own: EtcdMember, found: readonly EtcdMember[]): Promise<void> {
    const { supervisor, place } = this.#options
    if (await supervisor.hasData()) return supervisor.start(place, 'resume')
    this.#joinedAs = own.id
    return supervisor.start(place, found)
  }

  /** It had said its name, and what it kept is gone: it will never answer again. */
  async #isEmptied({ name }: EtcdMember): Promise<boolean> {
    return name !== '' && this.state.kind !== 'running' && !(await this.#options.supervisor.hasData())
  }

  /** Somebody else gets the seat, or this node as a new member: one that has forgotten what it voted for must not vote again. As long as
   *  most of the others don't answer nothing comes of it. */
  async #giveUp({ id }: EtcdMember): Promise<void> {
    const { supervisor, members, log } = this.#options
    await supervisor.stop({ isAlone: true })
    await supervisor.forget()
    await members.remove(id)
    log.warn('what etcd kept on this node is gone: its member was removed, and joins as a new one', { member: id })
    this.#joinedAs = undefined
  }

  /** One that is added anew before it has noticed that it was removed would go on with what it had, and be refused for ever; but one that
   *  ended once, and has not said its name since, would lose what it has told etcd that it has, and etcd never sends that again. */
  #isAddedAnew({ id, name, role }: EtcdMember): boolean {
    return name === '' && role === 'learner' && this.#hasEnded && id !== this.#joinedAs
  }

  get #hasEnded(): boolean {
    const { state } = this
    return state.kind === 'ended' || (state.kind === 'running' && state.restarts > 0)
  }

  /** A member that was removed can join again only without what it had. */
  async #leave(): Promise<void> {
    const { supervisor, log } = this.#options
    this.#absentLooks = this.#hasEnded ? this.#absentLooks + 1 : 0
    if (this.#absentLooks < ABSENT_LOOKS) return
    log.info('this node no longer has a member of etcd')
    await supervisor.stop({ isAlone: true })
    await supervisor.forget()
    this.#joinedAs = undefined
  }

  async #tellVoters(found: readonly EtcdMember[]): Promise<void> {
    const { place, onVoters } = this.#options
    const voters = found.filter(({ role }) => role === 'voter')
    const own = voters.filter(({ name }) => name === place.nodeId)
    const endpoints = [...new Set([...own, ...voters].flatMap(({ clientUrls }) => clientUrls))]
    if (endpoints.length === 0) return
    const isKnown = endpoints.length === this.#voters.length && endpoints.every((endpoint, at) => endpoint === this.#voters[at])
    if (isKnown) return
    await onVoters(endpoints)
    this.#voters = endpoints
    this.#isFounder = false
  }
}
