import {type ChildProcess, execFileSync, spawn} from 'node:child_process'
import {once} from 'node:events'
import {accessSync, constants, mkdirSync, mkdtempSync, rmSync, writeFileSync} from 'node:fs'
import {createServer, type IncomingMessage, type ServerResponse} from 'node:http'
import {type AddressInfo, connect, createServer as createTcpServer} from 'node:net'
import {tmpdir} from 'node:os'
import {delimiter, join} from 'node:path'
import {setTimeout as sleep} from 'node:timers/promises'
import type {Build, BuildLease, CreateBuild} from '@hearth/proto/api'
import type {BuildId} from '@hearth/proto/ids'
import {type BuilderCa, createBuilderCa} from './fake-builder-ca.ts'

/** A program of the toolchain: beside the sources when set up, else on PATH. Fails loudly, saying what is needed. */
export const findTool = (name: string): string => {
  const places = [join(import.meta.dirname, '../../../../build/toolchain/bin'), ...(process.env['PATH'] ?? '').split(delimiter)]
  for (const place of places) {
    try {
      accessSync(join(place, name), constants.X_OK)
      return join(place, name)
    } catch {
      // the next place
    }
  }
  throw new Error(`needs ${name}: run make setup, or put it on PATH`)
}

/** A real buildkitd with mutual TLS, in a mount and pid namespace of its own. */
export type RealBuilder = {readonly ca: BuilderCa; readonly port: number; stop(): Promise<void>; cutOff(): void}

export const startBuilder = async (): Promise<RealBuilder> => {
  const directory = mkdtempSync(join(tmpdir(), 'hearth-builder-'))
  const ca = await createBuilderCa()
  const [port, front] = [await freePort(), await freePort()]
  for (const [name, text] of Object.entries({ca: ca.caPem, cert: ca.serverCertificatePem, key: ca.serverKeyPem})) {
    writeFileSync(join(directory, `${name}.pem`), text)
  }
  mkdirSync(join(directory, 'root'))
  writeFileSync(join(directory, 'buildkitd.toml'), '[worker.oci]\nnetworkMode = "host"\ngc = false\n[worker.containerd]\nenabled = false\n')
  const tls = ['ca', 'cert', 'key'].map((name) => `--tls${name === 'ca' ? 'cacert' : name}=${join(directory, `${name}.pem`)}`)
  const daemon = spawn(
    'unshare',
    ['--mount', '--pid', '--fork', '--kill-child', findTool('buildkitd'), `--config=${join(directory, 'buildkitd.toml')}`].concat(
      [`--root=${join(directory, 'root')}`, `--addr=tcp://127.0.0.1:${port}`, `--oci-worker-binary=${findTool('runc')}`],
      tls,
    ),
    {stdio: 'ignore'},
  )
  const proxy = await startProxy(front, port)
  await untilListening(port, daemon)
  return {
    ca,
    port: front,
    cutOff: proxy.cutOff,
    stop: async () => {
      proxy.close()
      daemon.kill('SIGKILL')
      if (daemon.exitCode === null && daemon.signalCode === null) await once(daemon, 'exit')
      rmSync(directory, {recursive: true, force: true, maxRetries: 5, retryDelay: 200})
    },
  }
}

const freePort = async (): Promise<number> => {
  const server = createTcpServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const {port} = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Between client and daemon, so that a test can cut the connection as a lost host would. */
const startProxy = async (front: number, back: number) => {
  const sockets = new Set<{destroy(): void}>()
  const server = createTcpServer((inward) => {
    const outward = connect(back, '127.0.0.1')
    for (const [one, other] of [[inward, outward], [outward, inward]] as const) {
      sockets.add(one)
      one.pipe(other)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
    }
  }).listen(front, '127.0.0.1')
  await once(server, 'listening')
  const cutOff = () => {
    for (const socket of sockets) socket.destroy()
  }
  const close = () => {
    server.close()
    cutOff()
  }
  return {cutOff, close}
}

const untilListening = async (port: number, daemon: ChildProcess): Promise<void> => {
  for (let attempt = 0; attempt < 200; attempt++) {
    if (daemon.exitCode !== null) throw new Error(`buildkitd exited ${daemon.exitCode}: this test needs root`)
    const socket = connect(port, '127.0.0.1')
    const open = await new Promise<boolean>((resolve) => {
      socket.on('connect', () => resolve(true))
      socket.on('error', () => resolve(false))
    })
    socket.destroy()
    if (open) return
    await sleep(50)
  }
  throw new Error('buildkitd did not listen within 10 s')
}
