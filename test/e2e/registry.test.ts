import {createHash} from 'node:crypto'
import {mkdir, readFile, writeFile} from 'node:fs/promises'
import {join} from 'node:path'
import {afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest'
import {architecture, bringUp, hearthIn, makeContext} from '../support/hearth.ts'
import {unprivileged} from '../support/privileged.ts'
import {type Registry, registryUser, startRegistry} from '../support/registry.ts'
import {sharedHearth} from '../support/shared-hearth.ts'
import {makeTestDirectory, type TestDirectory} from '../support/test-directory.ts'
import {makeTestNetwork} from '../support/test-network.ts'

// The registries speak plain HTTP, as many do inside of a company: docker's own words for it are `registry.insecure=true`.
const insecure = ['-o', 'type=image,registry.insecure=true']

describe.skipIf(unprivileged())('hearth build --push', () => {
  const shared = sharedHearth()
  let open: Registry
  let closed: Registry
  beforeAll(async () => {
    const {directory} = shared()
    const network = await makeTestNetwork(directory)
    open = await startRegistry(directory, network)
    closed = await startRegistry(directory, network, {port: 5001, closed: true})
  })

  it('pushes to several registries at once, with the login that docker has', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'app', ['RUN echo hello >/message'])
    const config = join(directory.path, 'docker-config')
    await mkdir(config)
    const auth = Buffer.from(`${registryUser.name}:${registryUser.password}`).toString('base64')
    await writeFile(join(config, 'config.json'), JSON.stringify({auths: {[closed.host]: {auth}}}))
    const metadataFile = join(directory.path, 'metadata.json')
    const names = [`${open.host}/app`, `${open.host}/team/app:1`, `${closed.host}/app:2`]
    const built = await hearth
      .with({environment: {DOCKER_CONFIG: config}})
      .run(
        ...['build', context, '--push', ...insecure, '--metadata-file', metadataFile],
        ...names.flatMap((name) => ['-t', name]),
      )
    expect(built.stderr).toContain(`\npushed ${names.join(', ')}\n`)
    expect(built.code).toBe(0)
    const metadata = JSON.parse(await readFile(metadataFile, 'utf8')) as Record<string, unknown>
    const manifests = [await open.get('app/manifests/latest'), await open.get('team/app/manifests/1')]
    for (const manifest of [...manifests, await closed.get('app/manifests/2')])
      expect(digestOf(manifest)).toBe(metadata['containerimage.digest'])
    const {config: image} = JSON.parse(manifests[0] ?? '') as {config: {digest: string}}
    expect(JSON.parse(await open.get(`app/blobs/${image.digest}`))).toMatchObject({os: 'linux', architecture})
  })

  it('says why a push was refused, and what to do', async () => {
    const {directory, hearth} = shared()
    const context = await makeContext(directory, 'refused', ['RUN true'])
    const push = async (...args: readonly string[]) => await hearth.run('build', context, '--push', ...args)

    const overTls = await push('-t', `${open.host}/refused`)
    expect(overTls.code).toBe(1)
    const said = overTls.stderr
    expect(said).toMatch(/^build b-\w+ failed in 'exporting to image' .*server gave HTTP response to HTTPS client\)/m)
    expect(said).toContain('the registry speaks plain HTTP: push with -o type=image,registry.insecure=true')

    const base = await makeContext(directory, 'unreadable', [])
    await writeFile(join(base, 'Dockerfile'), `FROM ${open.host}/base\n`)
    expect((await hearth.run('build', base)).stderr).toContain(
      `\n${open.host} speaks plain HTTP: agent.yaml of the hosts must say so, under registries\n`,
    )

    const here = await push('-t', 'localhost:5000/refused')
    expect(here.code).toBe(1)
    expect(here.stderr).toContain('localhost is the builder itself: name the registry by an address of its host')

    const unknown = await push('-t', `${closed.host}/refused`, ...insecure)
    expect(unknown.code).toBe(1)
    expect(unknown.stderr).toMatch(/401 Unauthorized\)/)
    expect(unknown.stderr).toContain(`log in first, as someone who may push: docker login ${closed.host}`)
  })
})

describe.skipIf(unprivileged())('a registry that the hosts know to speak plain HTTP', () => {
  let directory: TestDirectory
  beforeEach(async () => {
    directory = await makeTestDirectory()
  })
  afterEach(async () => await directory.remove())

  it('is pushed to and pulled from like any other; --pull looks for what is new there', async () => {
    const registry = await startRegistry(directory, await makeTestNetwork(directory))
    await mkdir(join(directory.path, 'etc'))
    await writeFile(join(directory.path, 'etc/agent.yaml'), `registries: {'${registry.host}': {http: true}}\n`)
    const hearth = hearthIn(directory).with({environment: {HEARTH_CONFIG_DIR: join(directory.path, 'etc')}})
    await bringUp(hearth)
    const name = `${registry.host}/base`
    const pushBase = async (text: string) => {
      const base = await makeContext(directory, 'base', [`RUN echo ${text} >/message`])
      expect((await hearth.run('build', '--push', '-t', name, base)).code).toBe(0)
    }
    await pushBase('one')
    const app = join(directory.path, 'app')
    await mkdir(app)
    await writeFile(join(app, 'Dockerfile'), `FROM ${name}\nRUN cp /message /copied\n`)
    const copied = async (...args: readonly string[]) => {
      const out = join(directory.path, 'out')
      const {code, stderr} = await hearth.run('build', ...args, '-o', out, app)
      expect({code, stderr}).toMatchObject({code: 0})
      return await readFile(join(out, 'copied'), 'utf8')
    }
    expect(await copied()).toBe('one\n')
    await pushBase('two')
    expect(await copied('--pull')).toBe('two\n')
    expect((await hearth.run('down')).code).toBe(0)
  })
})

const digestOf = (text: string): string => `sha256:${createHash('sha256').update(text).digest('hex')}`
