import {type ChildProcess, fork} from 'node:child_process'
import {once} from 'node:events'
import {fileURLToPath} from 'node:url'
import type {ScriptedFleet} from './scripted-fleet.ts'
import type {TestDirectory} from './test-directory.ts'

/** A real agent in a process of its own. */
export type AgentProcess = {
  /** Ends it without a word. */
  kill(): Promise<void>
}

/** `holdsFreezes`: see agent-program.ts. Resolves when it has said hello to the fleet, at which point it has looked at its host. */
export const startAgentProcess = async (
  directory: TestDirectory,
  fleet: ScriptedFleet,
  {holdsFreezes = false}: {readonly holdsFreezes?: boolean} = {},
): Promise<AgentProcess> => {
  const program = fileURLToPath(new URL('./agent-program.ts', import.meta.url))
  const env = {...process.env, ...directory.environment}
  const child: ChildProcess = fork(program, [directory.path, ...(holdsFreezes ? ['holds'] : [])], {
    env,
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const ended = once(child, 'exit')
  const greeted = fleet.hellos.length
  child.on('message', (text) => fleet.hear(text as string))
  fleet.connect({send: (text) => void (child.connected && child.send(text)), close: () => undefined})
  await Promise.race([
    fleet.until('a hello', () => fleet.hellos.length > greeted || undefined),
    ended.then(([code]) => Promise.reject(new Error(`the agent ended with ${String(code)}`))),
  ])
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
