import {recordedBuilders} from '@hearth/agent/builder/real-record'
import {signalDaemon} from '../support/builders.ts'

/** kill -9 of each buildkitd of an agent. */
export const killDaemons = async (runtimeDir: string): Promise<undefined> => {
  for (const builder of recordedBuilders(runtimeDir)) await signalDaemon(builder, 'SIGKILL').catch(() => undefined) // it has not begun, or has ended
}
