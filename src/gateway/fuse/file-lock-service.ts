import type { InodeId } from '#foundation/ids.ts'

/** A lock of one owner of this mount: an open file for flock(2), or what the kernel takes for a process. */
export interface MountLock {
  readonly inode: InodeId
  readonly family: 'flock' | 'posix'
  /** 16 hexadecimal characters. */
  readonly owner: string
  readonly kind: 'read' | 'write' | 'unlock'
  /** First and last byte. */
  readonly start: bigint
  readonly end: bigint
  readonly pid: number
}

/** One that is asked for. */
export type WantedLock = MountLock & { readonly kind: 'read' | 'write' }

export interface LockInTheWay {
  readonly kind: 'read' | 'write'
  readonly start: bigint
  readonly end: bigint
  /** Of this machine; `undefined` for one elsewhere, whose number would say nothing here. */
  readonly pid: number | undefined
}

/** The file as it was when the lock was given. */
export interface LockedFile {
  readonly version: number
  readonly ctimeNs: bigint
}

/** Which session of the mount holds something. `isAlive` is false from the moment on in which it may have ended. */
export interface LockTerm {
  readonly isAlive: boolean
}

/** Locks that hold across machines, as a mount asks for them.
 *
 *  They are held by a session, which lasts as long as the node hears of the mount. What was locked in one that has ended is lost;
 *  a further lock is then of the next session. @throws what calls throw; NOT_FOUND for a file that is gone */
export interface FileLockService {
  /** The session that locks would be of now. */
  readonly term: LockTerm
  find(lock: WantedLock): Promise<LockInTheWay | undefined>
  /** `undefined` if somebody's lock is in the way. Unlocking gives up what there is; it goes on in the background if the node can't be
   *  reached. */
  change(lock: MountLock): Promise<LockedFile | undefined>
  /** Waits for as long as it takes. @throws CANCELLED when `signal` aborts first: then nothing is locked */
  wait(lock: WantedLock, signal: AbortSignal): Promise<LockedFile>
}
