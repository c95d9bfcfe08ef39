// npm run crash [ROUNDS]: kills a node under load, 200 times by default.
import { runCrashRounds } from './crash-rounds.ts'

const rounds = Number(process.argv[2] ?? 200)
if (!Number.isSafeInteger(rounds) || rounds < 1) {
  console.error(`"${process.argv[2]}" is not a number of rounds`)
  process.exit(2)
}
const { acknowledged } = await runCrashRounds({ rounds, workers: 8, lifeMsMax: 2_000, say: console.log })
console.log(`${rounds} rounds, ${acknowledged} acknowledged operations: nothing lost, nothing half-visible, fsck clean each time`)
