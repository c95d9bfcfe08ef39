export interface FollowOptions {
  readonly cursor?: string
  readonly volume?: string
  readonly follow?: boolean
  readonly signal?: AbortSignal
}

export interface AskedOptions extends Omit<FollowOptions, 'follow'> {
  readonly questions: FeedQuestions
}

/** A feed has told whatever had been acknowledged when a question was asked. */
export interface Heard {
  readonly kind: 'heard'
  readonly question: number
  /** For so long, counted from when it was asked, nobody's change will be acknowledged that the feed hasn't told: nothing has to be asked. */
  readonly quietMs: number
}

/** What somebody who follows a feed asks it: whether all has been told that had been acknowledged when he asked. The newest question stands
 *  for those before it. */
export class FeedQuestions {
  #newest: number | undefined
  #ring: () => void = () => undefined
  #isOver = false

  /** There won't be any more: the feed ends when it has answered those that there are. */
  end(): void {
    this.#isOver = true
    this.#ring()
  }

  /** None is left, and none will come. */
  get isOver(): boolean {
    return this.#isOver && this.#newest === undefined
  }

  ask(question: number): void {
    this.#newest = question
    this.#ring()
  }

  /** For the feed: the newest question that it hasn't taken yet. To be called before it looks at what has changed. */
  take(): number | undefined {
    const newest = this.#newest
    this.#newest = undefined
    return newest
  }

  /** For the feed: `ring` is called at each question. */
  onAsk(ring: () => void): void {
    this.#ring = ring
  }
}
