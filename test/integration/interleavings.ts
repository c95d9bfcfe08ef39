// What two machines do to one volume, step by step, and what must come of it.
import assert from 'node:assert/strict'
import { fileURLToPath } from 'node:url'
import type { MountedNode } from '../support/mounted-node.ts'
import { LineProgram } from './mount-process.ts'

const PROGRAM = fileURLToPath(new URL('./see-program.py', import.meta.url))

interface Answer {
  readonly value?: unknown
  /** As the system has it: ENOENT. */
  readonly error?: string
  readonly atMs: number
}

/** A program in one of the mounts. */
export class Machine {
  readonly #program: LineProgram

  private constructor(program: LineProgram) {
    this.#program = program
  }

  static async start({ directory }: MountedNode): Promise<Machine> {
    const program = new LineProgram('python3', [PROGRAM, directory])
    assert.equal(await program.hear(), 'ready')
    return new Machine(program)
  }

  async try(...act: readonly (string | number | undefined)[]): Promise<Answer> {
    return JSON.parse(await this.#program.say(JSON.stringify(act))) as Answer
  }

  stop(): Promise<void> {
    return this.#program.kill()
  }

  async do(...act: readonly (string | number | undefined)[]): Promise<unknown> {
    const { value, error } = await this.try(...act)
    assert.equal(error, undefined, act.join(' '))
    return value
  }
}

export interface World {
  readonly isBack: boolean
  readonly one: Machine
  readonly other: Machine
  /** What the volume has: texts by path, in a folder. */
  texts(folder: string): Promise<Record<string, string>>
  /** Whatever each of them has changed is in the volume, and told to the other. */
  settle(): Promise<void>
}

/** Each begins in a folder of its own, which both are in. */
export const INTERLEAVINGS: readonly { readonly promise: string; readonly see: (world: World, at: string) => Promise<void> }[] = [
  {
    promise: 'who opens a file after the other has closed it, written back after its fsync, reads what that one wrote',
    see: async ({ isBack, one, other }, at) => {
      for (let round = 0; round < 10; round += 1) {
        const [writer, reader] = round % 2 === 0 ? [one, other] : [other, one]
        const text = `round ${round}${'x'.repeat((round * 7) % 20)}`
        if (round % 3 === 2) {
          await writer.do('create', `${at}/new`, text)
          await writer.do('rename', `${at}/new`, `${at}/f`)
        } else await writer.do('create', `${at}/f`, text)
        if (isBack) await writer.do('sync', `${at}/f`)
        assert.equal(await reader.do('read', `${at}/f`), text)
      }
    },
  },
  {
    promise: 'what takes the place of a file that is open here leaves nothing under its old name, for others neither',
    see: async ({ one, texts }, at) => {
      await one.do('create', `${at}/f`, 'old')
      for (let round = 0; round < 5; round += 1) {
        await one.do('hold', `${at}/f`)
        await one.do('create', `${at}/new`, `round ${round}`)
        await one.do('rename', `${at}/new`, `${at}/f`)
        assert.deepEqual(await texts(at), { f: `round ${round}` })
        await one.do('let go', `${at}/f`)
      }
    },
  },
  {
    promise: 'of two that make one lock file one succeeds',
    see: async ({ one, other }, at) => {
      for (let round = 0; round < 5; round += 1) {
        const name = `${at}/${round}.lock`
        const made = await Promise.all([one.try('exclusive', name, 'one'), other.try('exclusive', name, 'other')])
        assert.deepEqual(made.map(({ error }) => error ?? 'ok').toSorted(), ['EEXIST', 'ok'])
        assert.equal(await other.do('until', 'text', name, made[0].error === undefined ? 'one' : 'other'), 'seen')
      }
    },
  },
  {
    promise: 'of two that make one file one succeeds, or both have theirs, one of them beside the other',
    see: async ({ isBack, one, other, texts, settle }, at) => {
      const made = await Promise.all([one.try('exclusive', `${at}/f`, 'one'), other.try('exclusive', `${at}/f`, 'other')])
      await settle()
      const errors = made.map(({ error }) => error ?? 'ok').toSorted()
      const there = await texts(at)
      if (!isBack) assert.deepEqual(errors, ['EEXIST', 'ok'])
      if (errors[0] === 'EEXIST') assert.deepEqual(there, { f: made[0].error === undefined ? 'one' : 'other' })
      else assert.deepEqual(Object.values(there).toSorted(), ['one', 'other'])
    },
  },
  {
    promise: 'of two ranges that are written at once both are there, or each in its version',
    see: async ({ isBack, one, other, texts, settle }, at) => {
      await one.do('create', `${at}/f`, '..........')
      await settle()
      for (const machine of [one, other]) await machine.do('hold', `${at}/f`, 'w')
      await Promise.all([one.do('held write', `${at}/f`, 0, 'AAA'), other.do('held write', `${at}/f`, 5, 'BBB')])
      await Promise.all([one.do('let go', `${at}/f`), other.do('let go', `${at}/f`)])
      await settle()
      const there = Object.values(await texts(at)).join(' ')
      if (isBack) assert.ok(there.includes('AAA') && there.includes('BBB'), there)
      else assert.equal(there, 'AAA..BBB..')
    },
  },
  {
    promise: 'lines that are added under a lock are all there',
    see: async ({ one, other, texts, settle }, at) => {
      await one.do('create', `${at}/f`, '')
      await settle()
      await Promise.all([one.do('add lines', `${at}/f`, 'one', 10), other.do('add lines', `${at}/f`, 'other', 10)])
      await settle()
      const lines = ((await texts(at))['f'] ?? '').trim().split('\n')
      assert.equal(lines.filter((line) => line === 'one').length, 10)
      assert.equal(lines.filter((line) => line === 'other').length, 10)
    },
  },
  {
    promise: 'a file that the other replaces is, while it is open, what it was or gone, and the new one when it is opened again',
    see: async ({ one, other, settle }, at) => {
      await one.do('create', `${at}/f`, 'old')
      await settle()
      await other.do('hold', `${at}/f`)
      await one.do('create', `${at}/new`, 'new')
      await one.do('rename', `${at}/new`, `${at}/f`)
      await settle()
      const held = await other.try('held read', `${at}/f`)
      assert.ok(held.value === 'old' || held.error === 'ESTALE', JSON.stringify(held))
      assert.equal(await other.do('read', `${at}/f`), 'new')
      await other.try('let go', `${at}/f`)
    },
  },
  {
    promise: 'what is written to a file that the other has removed is refused or lies beside, and the file stays away',
    see: async ({ isBack, one, other, texts, settle }, at) => {
      await one.do('create', `${at}/f`, 'there')
      await settle()
      await other.do('hold', `${at}/f`, 'w')
      await one.do('remove', `${at}/f`)
      if (isBack) await one.do('drain')
      const written = await other.try('held write', `${at}/f`, 0, 'THERE')
      const closed = await other.try('let go', `${at}/f`)
      await settle()
      const there = await texts(at)
      assert.equal(there['f'], undefined)
      if (written.error === undefined && closed.error === undefined) assert.deepEqual(Object.values(there), ['THERE'])
    },
  },
  {
    promise: 'what the other has cut off is not read any more',
    see: async ({ one, other, settle }, at) => {
      await one.do('create', `${at}/f`, 'a long text')
      await settle()
      assert.equal(await other.do('read', `${at}/f`), 'a long text')
      await one.do('truncate', `${at}/f`, 6)
      await one.do('append', `${at}/f`, '!')
      await settle()
      assert.equal(await other.do('read', `${at}/f`), 'a long!')
    },
  },
  {
    promise: 'a file that is made in a directory which the other renames meanwhile is there, or was refused',
    see: async ({ one, other, texts, settle }, at) => {
      await one.do('mkdir', `${at}/d`)
      await settle()
      const [moved, made] = await Promise.all([
        one.try('rename', `${at}/d`, `${at}/e`),
        other.try('exclusive', `${at}/d/f`, 'text'),
      ])
      await settle()
      assert.equal(moved.error, undefined)
      const there = Object.entries(await texts('')).filter(([path, text]) => path.includes('f') && text === 'text')
      assert.equal(there.length, made.error === undefined ? 1 : 0, JSON.stringify([made, there]))
      if (made.error !== undefined) assert.ok(made.error === 'ENOENT' || made.error === 'ESTALE', made.error)
      assert.deepEqual(await other.do('list', at), await one.do('list', at))
    },
  },
  {
    promise: 'a directory that both make is one, with what both put into it',
    see: async ({ isBack, one, other, texts, settle }, at) => {
      const made = await Promise.all([one.try('mkdir', `${at}/d`), other.try('mkdir', `${at}/d`)])
      const errors = made.map(({ error }) => error ?? 'ok').toSorted()
      if (!isBack) assert.deepEqual(errors, ['EEXIST', 'ok'])
      await Promise.all([one.do('create', `${at}/d/one`, '1'), other.do('create', `${at}/d/other`, '2')])
      await settle()
      assert.deepEqual(await texts(at), { 'd/one': '1', 'd/other': '2' })
    },
  },
  {
    promise: 'a file that is put into a directory which the other removes meanwhile is there, or was refused',
    see: async ({ one, other, texts, settle }, at) => {
      await one.do('mkdir', `${at}/d`)
      await settle()
      const [removed, made] = await Promise.all([one.try('rmdir', `${at}/d`), other.try('exclusive', `${at}/d/g`, 'put')])
      await settle()
      const there = Object.entries(await texts('')).filter(([path, text]) => path.includes('g') && text === 'put')
      assert.equal(there.length, made.error === undefined ? 1 : 0, JSON.stringify([removed, made, there]))
    },
  },
  {
    promise: 'a directory that one removes while the other puts something into it is there for both, or for neither',
    see: async ({ one, other, settle }, at) => {
      for (let round = 0; round < 12; round += 1) {
        const [remover, maker] = round % 2 === 0 ? [one, other] : [other, one]
        const folder = `${at}/${round}`
        await remover.do('mkdir', folder)
        await settle()
        await Promise.all([remover.try('rmdir', folder), maker.try('exclusive', `${folder}/f`, 'put')])
        await settle()
        assert.deepEqual(await remover.do('list', at), await maker.do('list', at))
      }
    },
  },
  {
    promise: 'a file that one renames while the other writes it reads the same on both afterwards',
    see: async ({ one, other, settle }, at) => {
      for (let round = 0; round < 12; round += 1) {
        const [writer, mover] = round % 2 === 0 ? [one, other] : [other, one]
        const [from, to] = [`${at}/${round}`, `${at}/moved-${round}`]
        await writer.do('create', from, 'before')
        await settle()
        const moved = mover.try('rename', from, to).then(() => mover.try('read', to))
        await Promise.all([writer.try('create', from, 'written'), moved])
        await settle()
        assert.equal(await one.do('read', to), await other.do('read', to))
      }
    },
  },
  {
    promise: 'an extended attribute that one gives a file which the other writes meanwhile is seen by both',
    see: async ({ one, other, settle }, at) => {
      for (let round = 0; round < 12; round += 1) {
        const [writer, giver] = round % 2 === 0 ? [one, other] : [other, one]
        const file = `${at}/${round}`
        await writer.do('create', file, 'old')
        await settle()
        await Promise.all([writer.do('create', file, 'new'), giver.do('set xattr', file, 'user.a', 'x')])
        await settle()
        for (const machine of [one, other]) assert.equal(await machine.do('until', 'xattr', file, 'user.a'), 'seen')
      }
    },
  },
  {
    promise: 'of two files that are renamed to one name the last one stays, or both, one beside the other',
    see: async ({ isBack, one, other, texts, settle }, at) => {
      await one.do('create', `${at}/a`, 'one')
      await other.do('create', `${at}/b`, 'other')
      await settle()
      await Promise.all([one.do('rename', `${at}/a`, `${at}/c`), other.do('rename', `${at}/b`, `${at}/c`)])
      await settle()
      const there = Object.values(await texts(at))
      if (there.length === 2 && isBack) assert.deepEqual(there.toSorted(), ['one', 'other'])
      else assert.ok(there.length === 1 && ['one', 'other'].includes(there[0] as string), JSON.stringify(there))
    },
  },
  {
    promise: 'a mode that one sets and contents that the other writes are both there',
    see: async ({ one, other, texts, settle }, at) => {
      await one.do('create', `${at}/f`, 'old')
      await settle()
      await Promise.all([one.do('chmod', `${at}/f`, 0o600), other.do('write', `${at}/f`, 0, 'new')])
      await settle()
      assert.deepEqual(await texts(at), { f: 'new' })
      for (const machine of [one, other]) assert.equal(await machine.do('until', 'mode', `${at}/f`, 0o600), 'seen')
    },
  },
]
