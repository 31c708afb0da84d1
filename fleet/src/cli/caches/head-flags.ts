import type {Argv} from 'yargs'
import {UsageError} from '../failures.ts'
import {hinted} from '../verb.ts'

export const withGeneration = <T>(args: Argv<T>, otherwise: string) =>
  args.option('to', hinted({type: 'string', value: 'N', describe: `number of the generation (${otherwise})`}))

/** The body of a request about the head of a cache. Throws `UsageError` for what is no number. */
export const headRequest = ({to, architecture}: {to?: string | undefined; architecture?: string | undefined}) => {
  if (to !== undefined && !/^[1-9]\d{0,8}$/.test(to))
    throw new UsageError(`--to is '${to}', but must be the number of a generation: hearth caches show lists them`)
  return {...(architecture && {architecture}), ...(to !== undefined && {to: Number(to)})}
}
