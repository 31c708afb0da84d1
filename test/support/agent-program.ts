import {writeFile} from 'node:fs/promises'
import {openHost} from '@hearth/agent/real-host'
import {hostOptions, makeAgent} from './agent-rig.ts'

// An agent in a process of its own, so that a test can kill it. Its fleet is the test, over the pipe to its parent. With a second
// argument it holds the volume of which it makes a checkpoint frozen, and the file `frozen` says so.

const [path = '', holding] = process.argv.slice(2)
const signal = new AbortController().signal
const host = await openHost(hostOptions({path}), signal)
const volumes: typeof host.volumes = {
  ...host.volumes,
  checkpoint: async (_copy, _generation, whileFrozen) =>
    await whileFrozen(async () => {
      await writeFile(`${path}/frozen`, '')
      return await new Promise<never>(() => undefined)
    }),
}
const agent = makeAgent(host, {
  ...(holding ? {volumes} : {}),
  dial: async () => ({
    closed: new Promise<string>(() => undefined),
    send: (text) => void process.send?.(text),
    onText: (listener) => void process.on('message', (text) => listener(text as string)),
    close: () => undefined,
  }),
})
await agent.run(signal)
