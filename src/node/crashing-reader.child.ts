// A reader thread that has a defect some time after it has begun to listen.
import './reader-thread.ts'

setTimeout(() => {
  throw new Error('planned')
}, 100)
