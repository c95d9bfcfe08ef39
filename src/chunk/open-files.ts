interface Entry<T> {
  readonly opened: Promise<T>
  users: number
  /** No longer in the cache: closed when its last user has gone. */
  evicted: boolean
}

interface Closable {
  close(): Promise<void>
}

/** Keeps the files used last open, `limit` of them beyond those in use, so that a read needn't open and close one. */
export class OpenFiles<T extends Closable> {
  readonly #open: (path: string) => Promise<T>
  readonly #limit: number
  /** In order of their last use. */
  readonly #entries = new Map<string, Entry<T>>()

  constructor(open: (path: string) => Promise<T>, limit: number) {
    this.#open = open
    this.#limit = limit
  }

  async use<R>(path: string, action: (file: T) => Promise<R>): Promise<R> {
    const entry = this.#take(path)
    try {
      return await action(await entry.opened)
    } finally {
      entry.users -= 1
      if (entry.evicted && entry.users === 0) await closeQuietly(entry)
    }
  }

  /** The next use opens the file anew; uses under way go on with the old one. */
  async evict(path: string): Promise<void> {
    const entry = this.#entries.get(path)
    if (entry !== undefined) await this.#drop(path, entry)
  }

  async close(): Promise<void> {
    for (const [path, entry] of this.#entries) await this.#drop(path, entry)
  }

  #take(path: string): Entry<T> {
    const known = this.#entries.get(path)
    if (known !== undefined) {
      known.users += 1
      this.#entries.delete(path)
      this.#entries.set(path, known)
      return known
    }
    const entry: Entry<T> = { opened: this.#open(path), users: 1, evicted: false }
    this.#entries.set(path, entry)
    entry.opened.catch(() => {
      if (this.#entries.get(path) === entry) this.#entries.delete(path)
    })
    if (this.#entries.size > this.#limit) this.#dropOldest()
    return entry
  }

  #dropOldest(): void {
    for (const [path, entry] of this.#entries) {
      if (entry.users > 0) continue
      void this.#drop(path, entry)
      return
    }
  }

  async #drop(path: string, entry: Entry<T>): Promise<void> {
    this.#entries.delete(path)
    entry.evicted = true
    if (entry.users === 0) await closeQuietly(entry)
  }
}

/** The file was only read: whether closing it succeeds changes nothing. */
async function closeQuietly<T extends Closable>(entry: Entry<T>): Promise<void> {
  try {
    await (await entry.opened).close()
  } catch {
    // It could not be opened, or not be closed: either way there is nothing left to do.
  }
}
