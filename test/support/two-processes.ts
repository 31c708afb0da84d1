import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {CreatedToken} from '@hearth/proto/api'
import {type Hearth, hearthIn} from './hearth.ts'
import type {Ended, Started} from './program.ts'
import type {TestDirectory} from './test-directory.ts'

/** hearth-fleet and hearth-agent apart, over TLS; each may be killed and started again. */
export type TwoProcesses = {
  /** The command line, with the fleet's URL and its first token in the environment. */
  readonly hearth: Hearth
  readonly fleetDir: string
  /** Resolves when the agent ends by itself. */
  agentEnded(): Promise<Ended>
  killFleet(): Promise<void>
  startFleet(): Promise<void>
  killAgent(): Promise<void>
  startAgent(...more: readonly string[]): Promise<void>
  /** Ends both in order; builders and what they need stay, for the directory's own removal. */
  stop(): Promise<void>
}

/** A fleet, and a host that has joined it by a one-time token. */
export const startTwoProcesses = async (
  directory: TestDirectory,
  ...agentFlags: readonly string[]
): Promise<TwoProcesses> => {
  const programs = hearthIn(directory)
  const fleetDir = join(directory.path, 'fleet')
  const startFleetAt = async (listen: string) => {
    const fleet = programs.program('fleet/bin/hearth-fleet', ['--listen', listen, '--state-dir', fleetDir])
    const said = await fleet.said(/"url":"[^"]+"/)
    return {fleet, url: (JSON.parse(`{${said}}`) as {url: string}).url}
  }
  let {fleet, url} = await startFleetAt('127.0.0.1:0')
  const token = (await readFile(join(fleetDir, 'admin-token'), 'utf8')).trim()
  const hearth = programs.with({environment: {HEARTH_URL: url, HEARTH_TOKEN: token}})
  const startAgentWith = async (...more: readonly string[]): Promise<Started> => {
    const place = ['--state-dir', join(directory.path, 'agent'), '--name', 'h1']
    const started = programs.program('agent/bin/hearth-agent', ['--fleet', url, ...place, ...agentFlags, ...more])
    await started.said(/connected to the fleet/)
    return started
  }
  const joining = await hearth.json<CreatedToken>('tokens', 'create', '--kind', 'join')
  let agent = await startAgentWith('--join', joining.token)
  return {
    hearth,
    fleetDir,
    agentEnded: async () => await agent.ended,
    killFleet: async () => await end(fleet, 'SIGKILL'),
    startFleet: async () => {
      ;({fleet, url} = await startFleetAt(new URL(url).host))
    },
    killAgent: async () => await end(agent, 'SIGKILL'),
    startAgent: async (...more) => {
      agent = await startAgentWith(...more)
    },
    stop: async () => {
      await end(agent, 'SIGTERM')
      await end(fleet, 'SIGTERM')
    },
  }
}

/** Sends its group the signal and waits for its end. */
export const end = async ({pid, ended}: Started, signal: NodeJS.Signals): Promise<void> => {
  try {
    process.kill(-pid, signal)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error // it has ended already
  }
  await ended
}
