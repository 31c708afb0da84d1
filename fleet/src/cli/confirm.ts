import {createInterface} from 'node:readline/promises'
import type {Context} from './context.ts'
import {UsageError} from './failures.ts'

/** Asks on a terminal before something is lost; elsewhere `--yes` must say it. False: the user said no. */
export const confirm = async ({stdin, print}: Context, {yes, what}: {yes: boolean; what: string}): Promise<boolean> => {
  if (yes) return true
  if (!stdin.isTTY) throw new UsageError(`this would ${what}: add --yes if that is meant`)
  const asking = createInterface({input: stdin, output: process.stderr})
  const answer = await asking.question(`${what}? [y/N] `).finally(() => asking.close())
  if (/^y(es)?$/i.test(answer.trim())) return true
  print.note('nothing was changed')
  return false
}
