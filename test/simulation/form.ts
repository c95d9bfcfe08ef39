import type { SeededRandom } from '#platform/seeded-random.ts'

/** What a run is about, since not all of it can be survived at once: a disk that loses bits (`rot`), a machine that is lost for good (`loss`), or
 *  classes by which one durable copy is enough for a while (`thin`). */
export const FORMS = ['rot', 'loss', 'thin'] as const
export type Form = (typeof FORMS)[number]

export function formOf(random: SeededRandom): Form {
  return FORMS[random.below(FORMS.length)] as Form
}

interface ClassToMake {
  readonly name: string
  readonly copies: number
  readonly ack: 'one' | 'quorum' | 'all'
}

/** The classes that there are beside `default`, which has three copies and is acknowledged by two. */
export const CLASSES: Readonly<Record<Form, readonly ClassToMake[]>> = {
  rot: [
    { name: 'pair', copies: 2, ack: 'quorum' },
    { name: 'firm', copies: 3, ack: 'all' },
  ],
  loss: [
    { name: 'pair', copies: 2, ack: 'quorum' },
    { name: 'firm', copies: 3, ack: 'all' },
  ],
  thin: [
    { name: 'single', copies: 1, ack: 'all' },
    { name: 'pair', copies: 2, ack: 'one' },
    { name: 'hasty', copies: 3, ack: 'one' },
  ],
}
