import {FleetCallError} from './channel/real-fleet-api.ts'
import {JoinError} from './channel/real-join.ts'
import {DiskSpaceError} from './host/disk-space.ts'
import {UnsupportedArchitectureError} from './host/facts.ts'
import {DeviceBusyError} from './host/loop.ts'
import {AddressError} from './host/own-address.ts'
import {PoolContentError} from './host/pool-places.ts'
import {CommandError, ProgramStuckError} from './host/run.ts'
import {SubnetError} from './host/subnet.ts'
import {JournalError} from './store/journal.ts'
import {NoAttacherError} from './volume/ceph/real-volumes.ts'

const told = [
  AddressError,
  DeviceBusyError,
  DiskSpaceError,
  FleetCallError,
  JoinError,
  JournalError,
  NoAttacherError,
  PoolContentError,
  ProgramStuckError,
  SubnetError,
  UnsupportedArchitectureError,
]

/** Why an agent can't start or go on and what to do about it, for people; null for what nobody foresaw. */
export const hostFailure = (error: unknown, stateDir: string): string | null => {
  if (!(error instanceof Error)) return null
  if (told.some((kind) => error instanceof kind)) return error.message
  if (isDiskFull(error)) return `the disk that holds ${stateDir} is full: free some space there; no cache was lost`
  if (error instanceof CommandError) return `${error.message}: see the agent's log, and the kernel's (dmesg)`
  const {code = ''} = error as NodeJS.ErrnoException
  if (['ENOTDIR', 'EEXIST'].includes(code)) return `${stateDir} is not a directory: use another with --state-dir`
  return null
}

/** The file system's own word, SQLite's SQLITE_FULL (https://sqlite.org/rescode.html), or that of a program that it stopped. */
const isDiskFull = (error: Error): boolean =>
  ['ENOSPC', 'EDQUOT'].includes((error as NodeJS.ErrnoException).code ?? '') ||
  ('errcode' in error && Number(error.errcode) % 256 === 13) ||
  (error instanceof CommandError && /No space left on device/.test(error.stderr))
