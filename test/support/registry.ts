import {mkdir, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import type {TestDirectory} from './test-directory.ts'
import type {TestNetwork} from './test-network.ts'

/** A real registry in a test's network: plain HTTP, as many have in their own network. */
export type Registry = {
  /** As in an image's name: `address:port`. */
  readonly host: string
  /** What it holds under a name. Throws for any answer but 200. */
  get(path: string): Promise<string>
}

/** `letmein`, by bcrypt. */
const passwordHash = '$2b$05$npyMSY5uy7JLiVwShKJ3fuNT7bqvSExeE.LFnjN2byqfi2HU7/Pyu'
export const registryUser = {name: 'builder', password: 'letmein'}

/** Debian's docker-registry. With `port` there may be several; with `closed` it lets in only `registryUser`. */
export const startRegistry = async (
  directory: TestDirectory,
  network: TestNetwork,
  {port = 5000, closed = false}: {readonly port?: number; readonly closed?: boolean} = {},
): Promise<Registry> => {
  const place = join(directory.path, `registry-${port}`)
  await mkdir(place)
  await writeFile(join(place, 'users'), `${registryUser.name}:${passwordHash}\n`)
  const config = {
    version: '0.1',
    log: {level: 'info'},
    storage: {filesystem: {rootdirectory: join(place, 'data')}},
    http: {addr: `${network.address}:${port}`},
    ...(closed ? {auth: {htpasswd: {realm: 'test', path: join(place, 'users')}}} : {}),
  }
  await writeFile(join(place, 'config.yml'), JSON.stringify(config)) // JSON is YAML
  await network.start(['docker-registry', 'serve', join(place, 'config.yml')]).said(/listening on/)
  const host = config.http.addr
  const authorization = `Basic ${Buffer.from(`${registryUser.name}:${registryUser.password}`).toString('base64')}`
  const accept = ['application/vnd.oci.image.manifest.v1+json', 'application/vnd.docker.distribution.manifest.v2+json']
  return {
    host,
    get: async (path) => {
      const answer = await fetch(`http://${host}/v2/${path}`, {headers: {authorization, accept: accept.join(', ')}})
      if (!answer.ok) throw new Error(`${path}: the registry answered ${answer.status}`)
      return await answer.text()
    },
  }
}
