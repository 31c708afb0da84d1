import {createInterface} from 'node:readline'
import type {Context} from './context.ts'
import {InterruptedError, UsageError} from './failures.ts'

/** Asks on a terminal before something is lost; elsewhere `--yes` must say it. False: the user said no. Ctrl-C: `InterruptedError`. */
export const confirm = async ({stdin, print}: Context, {yes, what}: {yes: boolean; what: string}): Promise<boolean> => {
  if (yes) return true
  if (!stdin.isTTY) throw new UsageError(`this would ${what}: add --yes if that is meant`)
  const answer = await ask(stdin, `${what}? [y/N] `)
  if (/^y(es)?$/i.test(answer?.trim() ?? '')) return true
  print.note(`${answer === null ? '\n' : ''}nothing was changed`)
  return false
}

/** Null if the terminal ends (Ctrl-D). */
const ask = (input: NodeJS.ReadStream, question: string): Promise<string | null> =>
  new Promise((resolve, reject) => {
    const asking = createInterface({input, output: process.stderr})
    asking.once('SIGINT', () => {
      reject(new InterruptedError('interrupted'))
      asking.close()
    })
    asking.once('close', () => resolve(null))
    asking.question(question, (answer) => {
      resolve(answer)
      asking.close()
    })
  })
