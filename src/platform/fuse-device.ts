/** A file of the local disk that the kernel reads by itself in the place of one of the mount. */
export interface BackingFile {
  /** For answers to OPEN. */
  readonly id: number
  /** Changes it for everybody who has it open. @throws STORAGE_FAILED, NO_SPACE */
  write(offset: number, bytes: Uint8Array): void
  cut(sizeBytes: number): void
  /** Once, and not before an answer that names it was given. Who has it open goes on. */
  close(): void
}

/** Linux' `/dev/fuse`, opened for one mount: requests out of it, answers into it. */
export interface FuseDevice {
  /** Calls `onReadable` whenever a request waits, again and again until it has been read. @throws if it is watched already */
  watch(onReadable: () => void): void
  /** Suspends the calls, and takes them up again. */
  pause(): void
  resume(): void

  /** Reads one request, whole, into `buffer`, which must have 80 bytes more than the longest WRITE and 8,192 at least. Its length;
   *  0 when none waits; `undefined` when the file system has been unmounted. @throws STORAGE_FAILED, with the system's error */
  read(buffer: Buffer): number | undefined
  /** Calls when what is under way has gone on as far as it can. */
  soon(call: () => void): void
  /** Lets others have this thread's processor that wait for it: those who were answered, mostly, and ask for the next thing then. */
  giveWay(): void
  /** Whether the thread that has asked is being killed, by a signal that it doesn't handle. */
  isEnding(pid: number): boolean
  /** Gives one answer, whole. False if the kernel doesn't wait for it (any more). @throws STORAGE_FAILED */
  write(head: Buffer, data?: Uint8Array): boolean

  /** Sends a message that answers nothing, from another thread: the kernel may hold it up until requests of the same directory
   *  have been answered. In order, one after the other. The bytes may be moved away: they aren't the caller's any more.
   *  `not-cached`: the kernel knows nothing of what it is about.
   *  @throws BUSY when 65,536 wait; UNAVAILABLE once unmounted; STORAGE_FAILED */
  notify(message: Buffer): Promise<'taken' | 'not-cached'>

  /** Has the kernel take a file, by its absolute path, in the place of one of the mount. Needs root.
   *  @throws NOT_PERMITTED; UNSUPPORTED by the file system on which it lies; NOT_FOUND; STORAGE_FAILED */
  openBacking(path: string): BackingFile

  /** Lets go of it: without another holder the mount is dead from then on. Notifications that wait are refused. */
  close(): Promise<void>
}

export interface MountOptions {
  /** An absolute path of an existing directory. */
  readonly directory: string
  /** Shown as what is mounted: `shoal:docs`. */
  readonly source: string
  /** Shown behind `fuse.` as the type. */
  readonly subtype: string
  /** Other users than the one who mounts may enter. */
  readonly allowOther: boolean
  /** The kernel checks modes, owners and groups by the attributes it is given. */
  readonly defaultPermissions: boolean
  readonly readOnly: boolean
  /** No program is run from there. */
  readonly noExec?: boolean
  /** How far the kernel is to read ahead of who reads in order, if it lets itself be told; else 128 KiB. */
  readonly readAheadBytes: number
}

/** What is at a directory: nothing mounted, a live mount, one whose program doesn't answer, or one whose program has ended. */
export type MountPoint =
  | { readonly state: 'free' }
  | { readonly state: 'mounted' | 'silent' | 'dead'; readonly source: string; readonly type: string }

/** The mounting of FUSE file systems. */
export interface FuseMounts {
  /** Whether the kernel may read files of the local disk in the place of those of its mounts (`FuseDevice.openBacking`). */
  readonly handsOver: boolean
  /** Mounts, as root by mount(2), else by fusermount3. The session's first request waits on return.
   *  @throws UNSUPPORTED: no /dev/fuse or no fusermount3, with what to install; NOT_PERMITTED; NOT_FOUND, NOT_A_DIRECTORY */
  mount(options: MountOptions): Promise<FuseDevice>
  /** `lazy`: at once, and for those who still use it when they are done.
   *  @throws BUSY if it is in use and not `lazy`; NOT_FOUND if nothing is mounted there; NOT_PERMITTED */
  unmount(directory: string, options: { readonly lazy: boolean }): Promise<void>
  inspect(directory: string): Promise<MountPoint>
}
