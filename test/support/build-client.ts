import {spawn} from 'node:child_process'
import {generateKeyPairSync} from 'node:crypto'
import {mkdtemp} from 'node:fs/promises'
import {join} from 'node:path'
import {connectionArguments} from '@hearth/fleet/cli/build/buildctl'
import {handshake, type Way} from './handshake.ts'
import type {TestDirectory} from './test-directory.ts'

/** A client of builders, with a key of its own and the real buildctl. */
export type BuildClient = {
  /** SPKI, DER, base64. */
  readonly publicKey: string
  /** Throws unless the builder answers. */
  reach(way: Way): Promise<void>
  /** Begins to build a context; `more` are arguments of buildctl. */
  build(way: Way & {readonly certificatePem: string}, context: string, ...more: readonly string[]): Promise<ClientBuild>
}
export type ClientBuild = {
  readonly ended: Promise<{readonly code: number | null; readonly said: string}>
  /** Resolves once it has said this; rejects if it ends without. */
  says(text: string): Promise<void>
  /** Ends the client without a word. */
  kill(): Promise<void>
}

export const makeBuildClient = (directory: TestDirectory, buildctl: string): BuildClient => {
  const keys = generateKeyPairSync('ec', {namedCurve: 'P-256'})
  const keyPem = keys.privateKey.export({type: 'pkcs8', format: 'pem'}) as string
  return {
    publicKey: keys.publicKey.export({type: 'spki', format: 'der'}).toString('base64'),
    reach: async (way) => await handshake(way, keyPem),
    build: async (way, context, ...more) => {
      const connection = connectionArguments(
        {...way, endpoints: [...way.endpoints]},
        keyPem,
        await mkdtemp(`${directory.path}/client-`),
      )
      const solve = ['build', '--frontend=dockerfile.v0', '--progress=plain']
      const locals = [`--local=context=${context}`, `--local=dockerfile=${context}`]
      return follow([buildctl, ...connection, ...solve, ...locals, ...more], directory)
    },
  }
}

const follow = ([file = '', ...args]: readonly string[], {path, environment}: TestDirectory): ClientBuild => {
  const env = {...process.env, ...environment, DOCKER_CONFIG: join(path, 'docker')}
  const child = spawn(file, args, {env, stdio: ['ignore', 'pipe', 'pipe']})
  let said = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text
      for (const look of waiting) look()
    })
  const ended = new Promise<{code: number | null; said: string}>((resolve) =>
    child.once('close', (code) => resolve({code, said})),
  )
  return {
    ended,
    says: async (text) => {
      const {promise, resolve, reject} = Promise.withResolvers<void>()
      const look = () => void (said.includes(text) && resolve())
      waiting.add(look)
      look()
      void ended.then(() => reject(new Error(`it ended without saying ${text}:\n${said}`)))
      await promise
    },
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
