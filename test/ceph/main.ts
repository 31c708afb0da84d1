import {rm} from 'node:fs/promises'
import {resolve} from 'node:path'
import {killDaemons} from './daemons.ts'
import {startCeph} from './lab.ts'

// A real Ceph by hand, until it is taken down:  node test/ceph/main.ts up|down DIRECTORY

const [verb, path] = process.argv.slice(2)
if ((verb !== 'up' && verb !== 'down') || !path) {
  process.stderr.write('node test/ceph/main.ts up|down DIRECTORY\n')
  process.exit(2)
}
const directory = resolve(path)
if (verb === 'up') {
  const {configurationFile, monitors, pool} = await startCeph(directory)
  process.stdout.write(`monitors ${monitors}, pool ${pool}; try: CEPH_CONF=${configurationFile} ceph -s\n`)
} else {
  await killDaemons(directory)
  await rm(directory, {recursive: true, force: true})
}
