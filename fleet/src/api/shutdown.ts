import {ShutDown} from '@hearth/proto/api'
import {type Route, tokenRoute} from './route.ts'

/** Only where fleet and agent are one process (`hearth up`): `hearth down` asks for its end. */
export const shutdownRoute = (shutDown: (request: ShutDown) => void): Route =>
  tokenRoute(
    'admin',
    {
      method: 'POST',
      path: '/v1/shutdown',
      summary: 'End this Hearth: builds may finish until the deadline',
      body: ShutDown,
      answer: null,
    },
    async ({body}) => shutDown(body),
  )
