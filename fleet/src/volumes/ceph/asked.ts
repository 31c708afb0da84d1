import type {CephSettings} from './settings.ts'

/** Errno of what the programs end with. `rbd` always says one; `ceph` says 1 also for a monitor that does not answer. */
export const errno = {denied: 1, missing: 2, refused: 13, busy: 16, exists: 17, invalid: 22, readOnly: 30, notEmpty: 39}

export type Asked = {
  /** What a failure's message begins with, such as `copy 1b… can't be made`. */
  readonly what: string
  /** Exit codes that mean something to the caller: thrown as the `CommandError`, and not looked into. */
  readonly expected?: readonly number[]
  readonly key?: keyof CephSettings['keys']
  /** It copies or deletes all of an image. */
  readonly long?: boolean
}
