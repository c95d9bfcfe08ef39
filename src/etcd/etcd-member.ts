/** A member as etcd's own list has it. */
export interface EtcdMember {
  /** A number of 64 bits, in decimal digits. */
  readonly id: string
  /** The node's id; empty until it has run. */
  readonly name: string
  readonly peerUrls: readonly string[]
  /** None until it has run. */
  readonly clientUrls: readonly string[]
  /** A learner gets the log and has no vote. */
  readonly role: 'voter' | 'learner'
}

/** With what it answers itself at this moment. */
export interface ObservedMember extends EtcdMember {
  /** It answers, and knows a leader. */
  readonly isHealthy: boolean
  readonly isLeader: boolean
  /** It has nearly all that the leader has. */
  readonly isCaughtUp: boolean
}
