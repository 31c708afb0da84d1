import {readFile} from 'node:fs/promises'
import {join} from 'node:path'
import {bringUp, hearthIn, killUp} from '../support/hearth.ts'
import {hearthTraces} from '../support/traces.ts'
import {killDaemons} from './daemons.ts'
import {type MakeGround, pick} from './ground.ts'

/** `hearth up`, with its caches on this machine. */
export const makeLocalGround: MakeGround = async (directory, random) => {
  const hearth = hearthIn(directory)
  const flags = () => ['--warm-idle', pick(['0s', '2s', '10m'], random)]
  await bringUp(hearth, ...flags())
  const listen = new URL((await readFile(join(hearth.stateDir, 'url'), 'utf8')).trim()).host
  const killBuilders = async () => await killDaemons(join(hearth.stateDir, 'run'))
  const restart = async () => {
    const startedAt = performance.now()
    await bringUp(hearth, '--listen', listen, ...flags())
    return startedAt
  }
  return {
    hearth,
    victims: [
      {name: 'buildkitd', kill: killBuilders},
      {
        name: 'hearth up',
        kill: async () => {
          await killUp(hearth)
          return await restart()
        },
      },
      {
        name: 'both',
        kill: async () => {
          await killUp(hearth)
          await killBuilders()
          return await restart()
        },
      },
    ],
    stop: async () => {
      const traces = await hearthTraces(hearth.stateDir)
      const {code} = await hearth.run('down')
      return {code, left: await traces()}
    },
  }
}
