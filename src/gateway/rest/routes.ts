import { abortUpload } from './abort-upload.ts'
import { backUpChunk } from './back-up-chunk.ts'
import { backUpMetadata } from './back-up-metadata.ts'
import { beginSession } from './begin-session.ts'
import { beginUpload } from './begin-upload.ts'
import { cancelLock } from './cancel-lock.ts'
import { changeEntry } from './change-entry.ts'
import { changeLock } from './change-lock.ts'
import { endSession } from './end-session.ts'
import { findLock } from './find-lock.ts'
import { commitUpload } from './commit-upload.ts'
import { listConflicts } from './list-conflicts.ts'
import { settleConflict } from './settle-conflict.ts'
import { showConflict } from './show-conflict.ts'
import { createJoinToken } from './create-join-token.ts'
import { createClass } from './create-class.ts'
import { createKey } from './create-key.ts'
import { activateNode, drainNode, makeNodeReadonly } from './decide-posture.ts'
import { exposeMetrics } from './expose-metrics.ts'
import { askChanges } from './ask-changes.ts'
import { followChanges } from './follow-changes.ts'
import { listEntries } from './list-entries.ts'
import { listClasses } from './list-classes.ts'
import { listKeys } from './list-keys.ts'
import { listNodes } from './list-nodes.ts'
import { listUploads } from './list-uploads.ts'
import { listVolumes } from './list-volumes.ts'
import { patchVolume } from './patch-volume.ts'
import { pauseTracker } from './pause-tracker.ts'
import { putVolume } from './put-volume.ts'
import { headFile, readFile } from './read-file.ts'
import { removeClass } from './remove-class.ts'
import { removeFile } from './remove-file.ts'
import { removeKey } from './remove-key.ts'
import { removeNode } from './remove-node.ts'
import { removeVolume } from './remove-volume.ts'
import { rotateGossipKey } from './rotate-gossip-key.ts'
import { renewSession } from './renew-session.ts'
import { resumeTracker } from './resume-tracker.ts'
import { rotateKey } from './rotate-key.ts'
import type { Route } from './route.ts'
import { runFsck } from './run-fsck.ts'
import { runTracker } from './run-tracker.ts'
import { setNodeWeight } from './set-node-weight.ts'
import { showAttributes } from './show-attributes.ts'
import { showClass } from './show-class.ts'
import { showHealth } from './show-health.ts'
import { showDrain } from './show-drain.ts'
import { showNode } from './show-node.ts'
import { showOpenApi } from './show-openapi.ts'
import { showReadiness } from './show-readiness.ts'
import { showStatus } from './show-status.ts'
import { showTracker } from './show-tracker.ts'
import { showUpload } from './show-upload.ts'
import { showVolume } from './show-volume.ts'
import { updateClass } from './update-class.ts'
import { updateKey } from './update-key.ts'
import { writeBatch } from './write-batch.ts'
import { writeFile } from './write-file.ts'
import { takePart } from './take-part.ts'
import { writePart } from './write-part.ts'
import { writeRange } from './write-range.ts'

/** The whole interface. */
export const ROUTES: readonly Route[] = [
  listVolumes,
  showVolume,
  putVolume,
  patchVolume,
  removeVolume,
  readFile,
  headFile,
  writeFile,
  writeRange,
  removeFile,
  listEntries,
  changeEntry,
  showAttributes,
  beginUpload,
  listUploads,
  showUpload,
  writePart,
  takePart,
  commitUpload,
  abortUpload,
  writeBatch,
  beginSession,
  renewSession,
  endSession,
  changeLock,
  findLock,
  cancelLock,
  listConflicts,
  showConflict,
  settleConflict,
  listClasses,
  createClass,
  showClass,
  updateClass,
  removeClass,
  listKeys,
  createKey,
  updateKey,
  rotateKey,
  removeKey,
  listNodes,
  showNode,
  showDrain,
  removeNode,
  drainNode,
  makeNodeReadonly,
  activateNode,
  setNodeWeight,
  createJoinToken,
  rotateGossipKey,
  showStatus,
  followChanges,
  askChanges,
  runFsck,
  showTracker,
  pauseTracker,
  resumeTracker,
  runTracker,
  backUpMetadata,
  backUpChunk,
  showOpenApi,
  showHealth,
  showReadiness,
  exposeMetrics,
]
