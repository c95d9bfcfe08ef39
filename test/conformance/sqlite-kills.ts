// SQLite with its WAL, killed in the midst of its commits, every second time together with the mount: what it has committed is there.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { nodeClock } from '../../src/platform/node-clock.ts'
import type { MountedNode } from '../support/mounted-node.ts'
import type { MountProof } from './mount-proofs.ts'

const ROUNDS = Number(process.env['SHOAL_ROUNDS'] ?? 8)
/** How long it writes before it is killed: of each round something else, up to this. */
const ROUND_MS_MAX = 2_000
const STEP_MS = 737
const FIRST_ROW_MS_MAX = 60_000
const FIRST_LOOK_MS = 100
const WRITER = `
import os, sqlite3, sys
os.chdir(sys.argv[1])
db = sqlite3.connect('kept.db', isolation_level=None)
db.execute('pragma journal_mode=wal'); db.execute('pragma synchronous=full')
db.execute('create table if not exists t(n, body)')
while True:
    db.execute("insert into t select count(*), hex(randomblob(300)) from t")
    print(db.execute('select count(*) from t').fetchone()[0], flush=True)
`
const READER = `python3 - <<'END'
import sqlite3
db = sqlite3.connect('kept.db')
print(*db.execute('select count(*), coalesce(max(n), -1) from t').fetchone(), db.execute('pragma integrity_check').fetchone()[0])
END`

export const SQLITE_KILLS: MountProof = { name: 'sqlite-kills', programs: ['python3'], minutesMax: 5, script: '' }

/** What is wrong, if something is. It is mounted again afterwards. */
export async function sqliteKills(mounted: MountedNode): Promise<string | undefined> {
  let acknowledged = 0
  for (let round = 1; round <= ROUNDS; round += 1) {
    const writer = spawn('python3', ['-c', WRITER, mounted.directory], { stdio: ['ignore', 'pipe', 'ignore'] })
    let printed = ''
    writer.stdout.on('data', (piece: Buffer) => {
      printed += piece.toString()
    })
    for (let waited = 0; printed === '' && waited < FIRST_ROW_MS_MAX; waited += FIRST_LOOK_MS)
      await nodeClock.sleep(FIRST_LOOK_MS)
    await nodeClock.sleep((round * STEP_MS) % ROUND_MS_MAX)
    if (writer.exitCode !== null) return `The writer ended by itself in round ${round}: ${writer.exitCode}`
    if (round % 2 === 0) await mounted.kill()
    writer.kill('SIGKILL')
    await once(writer, 'close')
    acknowledged = Number(printed.trimEnd().split('\n').at(-1)) || acknowledged
    if (round % 2 === 0) await mounted.mount()
    const [count = '', last = '', integrity = ''] = (await mounted.sh(READER)).trim().split(' ')
    if (Number(count) < acknowledged || Number(last) !== Number(count) - 1 || integrity !== 'ok')
      return `After ${round} kills ${acknowledged} rows were committed, and there are ${count}, the last one ${last}: ${integrity}`
  }
  console.log(`${acknowledged} rows after ${ROUNDS} kills, ${ROUNDS / 2} of them together with the mount`)
  return undefined
}
