import {openHost} from '@hearth/agent/real-host'
import {hostOptions, makeAgent} from './agent-rig.ts'

// An agent in a process of its own, so that a test can kill it. Its fleet is the test, over the pipe to its parent.

const [path = ''] = process.argv.slice(2)
const signal = new AbortController().signal
const host = await openHost(hostOptions({path}), signal)
const agent = makeAgent(host, {
  dial: async () => ({
    closed: new Promise<string>(() => undefined),
    send: (text) => void process.send?.(text),
    onText: (listener) => void process.on('message', (text) => listener(text as string)),
    close: () => undefined,
  }),
})
await agent.run(signal)
