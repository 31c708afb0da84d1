import {bringUp, hearthIn, killUp, makeContext} from '../support/hearth.ts'
import {makeTestDirectory} from '../support/test-directory.ts'
import {makeTestNetwork} from '../support/test-network.ts'

// A run that is killed: it has a Hearth that was killed in mid-build, and a network of its own, and waits.

const directory = await makeTestDirectory()
const hearth = hearthIn(directory)
await makeTestNetwork(directory)
await bringUp(hearth)
const context = await makeContext(directory, 'web', ['RUN sleep 600'])
await hearth.start('build', context, '--project', 'web').said(/sleep 600/)
await killUp(hearth)
process.stdout.write(`${JSON.stringify({path: directory.path, stateDir: hearth.stateDir})}\n`)
setInterval(() => undefined, 60_000)
