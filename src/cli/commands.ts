import type { CommandEntry } from './command.ts'

/** Every command, in the order of the help. */
export const COMMANDS: readonly CommandEntry[] = [
  { name: 'serve', summary: 'run a node', load: async () => (await import('./commands/serve.ts')).serve },
  {
    name: 'config show',
    summary: 'print the configuration of a node and where each value came from',
    load: async () => (await import('./commands/config-show.ts')).configShow,
  },
  {
    name: 'volume create',
    summary: 'make a volume',
    load: async () => (await import('./commands/volume-create.ts')).volumeCreate,
  },
  { name: 'volume list', summary: 'list the volumes', load: async () => (await import('./commands/volume-list.ts')).volumeList },
  {
    name: 'volume show',
    summary: 'show what a volume promises and holds',
    load: async () => (await import('./commands/volume-show.ts')).volumeShow,
  },
  {
    name: 'volume set',
    summary: 'change what a volume promises',
    load: async () => (await import('./commands/volume-set.ts')).volumeSet,
  },
  {
    name: 'volume delete',
    summary: 'delete a volume',
    load: async () => (await import('./commands/volume-delete.ts')).volumeDelete,
  },
  {
    name: 'conflicts list',
    summary: 'list the versions of an eventual volume that lost',
    load: async () => (await import('./commands/conflicts-list.ts')).conflictsList,
  },
  {
    name: 'conflicts show',
    summary: 'show all versions of a path',
    load: async () => (await import('./commands/conflicts-list.ts')).conflictsShow,
  },
  {
    name: 'conflicts restore',
    summary: 'make a version that lost the content of its path again',
    load: async () => (await import('./commands/conflicts-settle.ts')).conflictsRestore,
  },
  {
    name: 'conflicts drop',
    summary: 'let a version that lost go',
    load: async () => (await import('./commands/conflicts-settle.ts')).conflictsDrop,
  },
  {
    name: 'class create',
    summary: 'make a replication class',
    load: async () => (await import('./commands/class-create.ts')).classCreate,
  },
  {
    name: 'class list',
    summary: 'list the replication classes',
    load: async () => (await import('./commands/class-list.ts')).classList,
  },
  {
    name: 'class show',
    summary: 'show what a class asks for and what it gets',
    load: async () => (await import('./commands/class-show.ts')).classShow,
  },
  {
    name: 'class update',
    summary: 'change what a class asks for',
    load: async () => (await import('./commands/class-update.ts')).classUpdate,
  },
  {
    name: 'class delete',
    summary: 'delete a class that no volume has',
    load: async () => (await import('./commands/class-delete.ts')).classDelete,
  },
  {
    name: 'key create',
    summary: 'make an access key and print its secret this once',
    load: async () => (await import('./commands/key-create.ts')).keyCreate,
  },
  {
    name: 'key list',
    summary: 'list the access keys',
    load: async () => (await import('./commands/key-list.ts')).keyList,
  },
  {
    name: 'key disable',
    summary: 'refuse an access key until it is enabled again',
    load: async () => (await import('./commands/key-enable.ts')).keyDisable,
  },
  {
    name: 'key enable',
    summary: 'accept a disabled access key again',
    load: async () => (await import('./commands/key-enable.ts')).keyEnable,
  },
  {
    name: 'key rotate',
    summary: 'give an access key a new secret and print it this once',
    load: async () => (await import('./commands/key-rotate.ts')).keyRotate,
  },
  {
    name: 'key remove',
    summary: 'remove access keys for good',
    load: async () => (await import('./commands/key-remove.ts')).keyRemove,
  },
  {
    name: 'cluster token',
    summary: 'make a token that lets nodes into the cluster',
    load: async () => (await import('./commands/cluster-token.ts')).clusterToken,
  },
  {
    name: 'cluster rotate-key',
    summary: 'give all nodes another key for what they tell each other',
    load: async () => (await import('./commands/cluster-rotate-key.ts')).clusterRotateKey,
  },
  {
    name: 'cluster recover',
    summary: 'go on after etcd has lost its majority for good',
    load: async () => (await import('./commands/cluster-recover.ts')).clusterRecover,
  },
  {
    name: 'node list',
    summary: 'list the nodes of the cluster',
    load: async () => (await import('./commands/node-list.ts')).nodeList,
  },
  {
    name: 'node show',
    summary: 'show a node of the cluster',
    load: async () => (await import('./commands/node-show.ts')).nodeShow,
  },
  {
    name: 'node drain',
    summary: 'give the chunks of nodes to others',
    load: async () => (await import('./commands/node-posture.ts')).nodeDrain,
  },
  {
    name: 'node readonly',
    summary: 'give nodes no new chunks',
    load: async () => (await import('./commands/node-posture.ts')).nodeReadonly,
  },
  {
    name: 'node activate',
    summary: 'take back that nodes are drained or readonly',
    load: async () => (await import('./commands/node-posture.ts')).nodeActivate,
  },
  {
    name: 'node weight',
    summary: 'say how much of the chunks a node is to get',
    load: async () => (await import('./commands/node-weight.ts')).nodeWeight,
  },
  {
    name: 'node remove',
    summary: 'remove nodes from the cluster for good',
    load: async () => (await import('./commands/node-remove.ts')).nodeRemove,
  },
  {
    name: 'cp',
    summary: 'copy files and directories in, out, and within',
    load: async () => (await import('./commands/cp.ts')).cp,
  },
  { name: 'ls', summary: 'list directories', load: async () => (await import('./commands/ls.ts')).ls },
  { name: 'cat', summary: 'print the contents of files', load: async () => (await import('./commands/cat.ts')).cat },
  { name: 'mkdir', summary: 'make directories', load: async () => (await import('./commands/mkdir.ts')).mkdir },
  { name: 'mv', summary: 'move or rename within a volume', load: async () => (await import('./commands/mv.ts')).mv },
  { name: 'rm', summary: 'remove files and directories', load: async () => (await import('./commands/rm.ts')).rm },
  {
    name: 'chown',
    summary: 'give entries to another user or group',
    load: async () => (await import('./commands/chown.ts')).chown,
  },
  { name: 'chmod', summary: 'change permissions', load: async () => (await import('./commands/chmod.ts')).chmod },
  { name: 'stat', summary: 'show all attributes of entries', load: async () => (await import('./commands/stat.ts')).stat },
  {
    name: 'find',
    summary: 'find entries by name, type, size and age',
    load: async () => (await import('./commands/find.ts')).find,
  },
  { name: 'du', summary: 'add up sizes by directory', load: async () => (await import('./commands/du.ts')).du },
  {
    name: 'mount',
    summary: 'show a volume as a directory of this machine',
    load: async () => (await import('./commands/mount.ts')).mount,
  },
  {
    name: 'mount status',
    summary: 'list the volumes that are mounted on this machine',
    load: async () => (await import('./commands/mount-status.ts')).mountStatus,
  },
  {
    name: 'unmount',
    summary: 'take such a directory away',
    load: async () => (await import('./commands/unmount.ts')).unmount,
  },
  { name: 'status', summary: 'show how a node is doing', load: async () => (await import('./commands/status.ts')).status },
  {
    name: 'fsck',
    summary: 'check all data of a node, and repair it',
    load: async () => (await import('./commands/fsck.ts')).fsck,
  },
  {
    name: 'tracker status',
    summary: 'show what keeps chunks where they belong, and how far it is',
    load: async () => (await import('./commands/tracker-status.ts')).trackerStatus,
  },
  {
    name: 'tracker pause',
    summary: 'pause a task of the tracker, or all',
    load: async () => (await import('./commands/tracker-pause.ts')).trackerPause,
  },
  {
    name: 'tracker resume',
    summary: 'let a task of the tracker, or all, go on',
    load: async () => (await import('./commands/tracker-pause.ts')).trackerResume,
  },
  {
    name: 'tracker run',
    summary: 'begin a task of the tracker now, or a dry run of it',
    load: async () => (await import('./commands/tracker-run.ts')).trackerRun,
  },
  {
    name: 'backup',
    summary: 'copy everything, as of one moment, into a folder',
    load: async () => (await import('./commands/backup.ts')).backup,
  },
  {
    name: 'backup verify',
    summary: 'read a backup folder, and check all that is in it',
    load: async () => (await import('./commands/backup-verify.ts')).backupVerify,
  },
  {
    name: 'restore',
    summary: 'make the data folder of a new cluster from a backup',
    load: async () => (await import('./commands/restore.ts')).restore,
  },
  { name: 'bench', summary: 'measure how fast a node is', load: async () => (await import('./commands/bench.ts')).bench },
  {
    name: 'completion',
    summary: 'print a completion script for a shell',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
]

export function findCommand(name: string): CommandEntry | undefined {
  return COMMANDS.find((command) => command.name === name)
}

/** The commands of a group, such as `volume`. */
export function groupOf(word: string): readonly CommandEntry[] {
  return COMMANDS.filter(({ name }) => name.startsWith(`${word} `))
}
