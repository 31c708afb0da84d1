import type {Log} from '@hearth/proto/clock'
import type {HostId} from '@hearth/proto/ids'
import type {HostCertificateOf} from '../api/access.ts'
import {refusalOf} from '../api/failures.ts'
import {ApiFailure} from '../api-failure.ts'
import type {Fleet} from '../fleet.ts'
import type {ChannelServer, Upgrade} from './socket.ts'

const channelPath = '/agent/v1/channel'

export type UpgradeDeps = {
  readonly channel: ChannelServer
  readonly fleet: Pick<Fleet, 'isHostKnown'>
  readonly hostCertificateOf: HostCertificateOf
  readonly log: Log
}

/**
 * Makes an upgrade request the channel of the host that its certificate names, or answers it like any other refused request.
 * A host that was removed hears so on the channel, where agents listen for it. Never rejects.
 */
export const acceptAgent = async (upgrade: Upgrade, deps: UpgradeDeps): Promise<void> => {
  const {request, socket} = upgrade
  socket.on('error', () => socket.destroy())
  try {
    if (request.url?.split('?', 1)[0] !== channelPath) {
      throw new ApiFailure(
        404,
        'not-found',
        `there is no WebSocket at ${request.url}: agents connect to ${channelPath}`,
      )
    }
    const certificate = deps.hostCertificateOf(request.socket)
    if ('missing' in certificate) throw new ApiFailure(401, 'unauthorized', certificate.missing)
    const host = certificate.cn as HostId
    const known = await deps.fleet.isHostKnown(host)
    const removed = {
      code: 'removed',
      reason: `${host} was removed from this fleet: join it again with a new join token`,
    }
    deps.channel.accept(upgrade, host, known ? undefined : removed)
  } catch (error) {
    refuse(upgrade, error, deps.log)
  }
}

const refuse = ({socket}: Upgrade, error: unknown, log: Log): void => {
  const {status, body} = refusalOf(error, log, 'upgrade')
  const text = JSON.stringify(body)
  const length = new TextEncoder().encode(text).length
  const head = [`HTTP/1.1 ${status} Refused`, 'content-type: application/json', `content-length: ${length}`]
  socket.end(`${[...head, 'connection: close'].join('\r\n')}\r\n\r\n${text}`)
}
