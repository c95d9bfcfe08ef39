// What docs/rest.md says crosses the wire, as types. Sizes in bytes; times RFC 3339 with nine digits.

/** Of a range of a file. */
export type RoomChange = { readonly offset: number; readonly length: number } & (
  | { readonly op: 'punch' }
  | { readonly op: 'reserve'; readonly keepsSize: boolean }
)

export type EntryType = 'file' | 'directory' | 'symlink' | 'fifo' | 'socket' | 'character-device' | 'block-device'

export interface RemoteEntry {
  /** Relative to the volume's root, without a leading slash; names as `decodeName` makes them. */
  readonly path: string
  readonly name: string
  readonly type: EntryType
  readonly inode: number
  readonly size: number
  /** Of a file that takes more or less than its length. */
  readonly occupied?: number
  /** Octal. */
  readonly mode: string
  readonly uid: number
  readonly gid: number
  readonly links: number
  readonly mtime: string
  readonly atime: string
  readonly ctime: string
  readonly btime: string
  readonly etag: string
  /** Hexadecimal, where known. */
  readonly sha256?: string
  readonly rdev: number
  /** Absent where it isn't known. */
  readonly hasXattrs?: boolean
  /** Of a symbolic link, where one entry was asked for. */
  readonly target?: string
  /** Base64 by name, where asked for. */
  readonly xattrs?: Readonly<Record<string, string>>
}

export interface RemoteListing {
  readonly entries: readonly RemoteEntry[]
  readonly next?: string
}

/** All volumes, unless it says which are missing: those that only a node knows which can't be reached. */
export interface RemoteVolumes {
  readonly volumes: readonly RemoteVolume[]
  readonly missing?: 'strong'
}

export interface RemoteVolume {
  readonly name: string
  readonly id: number
  readonly consistency: string
  /** Of an eventual volume. */
  readonly onConflict?: string
  readonly keep?: string
  readonly class: string
  readonly chunkSizeBytes: number
  readonly quotaBytes: number | null
  readonly quotaFiles: number | null
  readonly durability: string
  readonly usage: { readonly bytes: number; readonly files: number }
  readonly created: string
}

export interface RemoteKey {
  readonly accessKey: string
  readonly principal: string
  readonly description: string
  readonly enabled: boolean
  readonly created: string
  /** When the secret was last changed. */
  readonly rotated: string
}

export interface RemoteKeyWithSecret extends RemoteKey {
  readonly secretKey: string
}

/** The principal is `root` unless given; key and secret are made at random unless given. */
export interface KeyToMake {
  readonly principal?: string
  readonly description?: string
  readonly accessKey?: string
  readonly secretKey?: string
}

export interface RemoteNode {
  readonly id: string
  /** `joining alive storage-failed suspect dead left draining drained readonly`, as far as the node that answers knows. */
  readonly state: string
  /** Of one that is draining: the part of its chunks that is known to be elsewhere, 0 to 1. `null` where that isn't known; a release of
   *  before doesn't say. */
  readonly drained?: number | null
  readonly since: string
  /** Whether it is the node that answers. */
  readonly self: boolean
  /** Whether the volumes are served from it. */
  readonly home: boolean
  readonly host: string
  readonly nodePort: number
  readonly restPort: number
  readonly s3Port: number
  readonly roles: readonly string[]
  readonly zone: string
  /** How much of the chunks it is to get, in comparison with others of its capacity; 1 is usual. */
  readonly weight: number
  /** How far its clock is ahead of that of the node that answers; `null` where that wasn't measured yet, a release of before doesn't say. */
  readonly clockAheadMs?: number | null
  readonly capacityBytes: number
  readonly usedBytes: number
  readonly version: string
  readonly incarnation: number
}

/** Of a node that is draining. */
export interface RemoteDrain {
  readonly node: string
  /** What it has; `null` if it doesn't answer. */
  readonly chunks: number | null
  readonly bytes: number | null
  /** How much of that isn't known yet to be elsewhere, about. */
  readonly left: { readonly chunks: number; readonly bytes: number } | null
  /** Of the task that drains. */
  readonly activity: string
  readonly bytesPerSecond: number
  readonly secondsLeft: number | null
  /** What keeps it from its end. */
  readonly hindrances: readonly string[]
}

export interface RemoteJoinToken {
  readonly token: string
  readonly expires: string
  readonly uses: number
}

export interface RemoteClass {
  readonly name: string
  readonly copies: number
  readonly ack: string
  readonly zones: number
  readonly durability: string
  /** The copies grow with the nodes up to this; `null` if they don't. */
  readonly growsTo: number | null
  /** That may hold its chunks. */
  readonly nodes: number
  /** What each chunk can have now. */
  readonly placed: { readonly copies: number; readonly zones: number }
  /** Of how much more contents there is room for with all copies; `null` where nobody knows, a release of before doesn't say. */
  readonly freeBytes?: number | null
  /** There are fewer nodes or zones than it asks for. */
  readonly short: boolean
  /** Chunks are on their way to other nodes. */
  readonly moving: boolean
}

export interface ClassSettings {
  readonly copies?: number
  readonly ack?: string
  readonly zones?: number
  readonly durability?: string
}

/** What can be set on a volume; `null` lifts a quota. */
export interface VolumeSettings {
  readonly onConflict?: string
  readonly keep?: string
  readonly consistency?: string
  readonly class?: string
  readonly chunkSizeBytes?: number
  readonly quotaBytes?: number | null
  readonly quotaFiles?: number | null
  readonly durability?: string
}

export interface RemotePart {
  readonly number: number
  readonly size: number
  readonly sha256: string
}

export interface RemoteUpload {
  readonly id: string
  readonly path: string
  readonly started: string
  readonly expires: string
  readonly parts: readonly RemotePart[]
  /** The folder of a node on this machine in which files can be handed over to it; told when the upload begins. */
  readonly handed?: string
}

export interface RemoteLocations {
  readonly path: string
  readonly size: number
  readonly extents: readonly {
    readonly offset: number
    readonly length: number
    readonly kind: string
    readonly chunk?: string
    readonly nodes: readonly string[]
    /** Of a chunk: each copy with its state. */
    readonly copies?: readonly { readonly node: string; readonly state: string }[]
    readonly state: string
  }[]
}

export interface NodeStatus {
  readonly version: string
  readonly nodeId: string
  readonly clusterId: string
  readonly startedAt: string
  readonly uptimeSeconds: number
  readonly state: string
  readonly volumes: number
  readonly usage: { readonly bytes: number; readonly files: number }
  readonly chunks: {
    readonly chunks: number
    readonly liveBytes: number
    readonly storedBytes: number
    readonly capacityBytes: number
    readonly freeBytes: number
  }
  /** `hasMore`: counting ended before the end of the list. */
  readonly garbage: { readonly chunks: number; readonly hasMore: boolean }
  readonly metadata: MetadataStatus
  readonly eventual?: EventualStatus
  readonly uploads: number
  readonly changes: { readonly cursor: string }
  /** Those that differ from the clock of the node that answers by more than half a second; a release of before doesn't say. */
  readonly clocks?: readonly { readonly nodeId: string; readonly aheadMs: number }[]
}

/** What a task of the tracker may use; no limit where none is given. `share`: the part of the time. */
export interface TrackerBudget {
  readonly bytesPerSecond?: number
  readonly opsPerSecond?: number
  readonly share?: number
}

export interface RemoteTrackerTask {
  readonly task: string
  readonly dryRun: boolean
  /** `paused running waiting idle` */
  readonly activity: string
  readonly walk: number
  /** Nothing was left for later. */
  readonly complete: boolean
  readonly started: string | null
  readonly finished: string | null
  readonly progress: {
    readonly fraction: number
    readonly chunksPerSecond: number
    readonly bytesPerSecond: number
    readonly chunks: number | null
    readonly secondsLeft: number | null
  }
  readonly counters: Readonly<Record<string, number>>
  readonly budget: TrackerBudget
}

export interface RemoteTracker {
  readonly since: string
  readonly waitingRepairs: number
  readonly tasks: readonly RemoteTrackerTask[]
  /** The last ones, the newest first. */
  readonly decisions: readonly {
    readonly time: string
    readonly task: string
    readonly dryRun: boolean
    readonly kind: string
    readonly chunk?: string
    readonly from?: string
    readonly to?: string
    readonly layout?: string
  }[]
}

export type FsckLine =
  | { readonly kind: 'progress'; readonly [field: string]: unknown }
  | { readonly kind: 'finding'; readonly problem: string; readonly where: string; readonly repaired: boolean }
  | { readonly kind: 'result'; readonly clean: boolean; readonly findings: number; readonly repaired: number }

export interface RemoteChange {
  readonly cursor: string
  readonly time: string
  readonly kind: string
  readonly volume: string
  readonly path: string
  readonly from?: string
  readonly type?: EntryType
  readonly inode?: number
  /** The directory in which it is. */
  readonly parent?: number
  /** The directory in which it was before a rename. */
  readonly fromParent?: number
  /** Of an eventual volume: the entity tag of what is there now. */
  readonly etag?: string
  readonly by: string
}

/** Attributes to set; what is left out stays. `mode` is octal. */
export interface AttributeSettings {
  readonly mode?: string
  readonly uid?: number
  readonly gid?: number
  readonly mtime?: string
  readonly atime?: string
  readonly xattrs?: Readonly<Record<string, string | null>>
}

export type MoveMode = 'replace' | 'no-replace' | 'exchange'

/** Where strong volumes are agreed on: `home` on one node, `managed` by an etcd that the nodes run, `external` by one that somebody else
 *  runs. */
export interface MetadataStatus {
  readonly mode: 'home' | 'managed' | 'external'
  /** The id of the node that leads. */
  readonly leader?: string
  /** Entries of the log that the node has seen. */
  readonly position?: number
  /** Nobody can say what is the newest: what is told of volumes is as the node saw it last. */
  readonly stale?: boolean
  /** Why etcd does not answer the node. */
  readonly problem?: string
  /** Of the managed etcd, by the ids of their nodes; an empty name is one that hasn't run yet. */
  readonly members?: readonly {
    readonly name: string
    readonly role: 'voter' | 'learner'
    readonly healthy: boolean
    readonly leader: boolean
  }[]
}

/** How far apart the nodes may be in what they have of eventual volumes, as one knows it. */
export interface EventualStatus {
  readonly volumes: number
  readonly members: number
  readonly rumours: number
  readonly conflicts: number
  readonly removals: number
  readonly oldestDifferenceSeconds?: number
  /** By node. */
  readonly lastExchanges: Readonly<Record<string, string>>
}

export interface RemoteVersion {
  readonly id: string
  readonly time: string
  readonly node: string
  readonly removed: boolean
  readonly size?: number
  /** Hexadecimal, where known. */
  readonly sha256?: string
}

export interface RemoteConflict {
  readonly path: string
  /** The one that won first. */
  readonly versions: readonly RemoteVersion[]
}

/** Whatever had been acknowledged when the node read a question has been told. */
export interface Heard {
  readonly heard: number
  /** For so long, counted from when it was asked, no change is acknowledged that hasn't been told. Not from a node that is older. */
  readonly quietMs?: number
}

/** Which changes are followed, and how long. */
export interface ChangesOptions {
  readonly cursor?: string
  readonly volume?: string
  readonly follow?: boolean
  readonly silenceTimeoutMs?: number
  /** Called when the node has begun to tell, with the cursor from which on it does. */
  readonly onOpen?: (cursor: string | undefined) => void
}
