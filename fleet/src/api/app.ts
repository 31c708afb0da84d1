import type {Log} from '@hearth/proto/clock'
import {type FastifyInstance, type FastifyReply, type FastifyRequest, fastify} from 'fastify'
import {ApiFailure} from '../api-failure.ts'
import {type AccessDeps, callerOf} from './access.ts'
import {refusalOf} from './failures.ts'
import type {Caller, Route} from './route.ts'
import {schemaController, schemaOf} from './schema-check.ts'

export type AppDeps = AccessDeps & {readonly routes: readonly Route[]; readonly log: Log}

/** The HTTP application, ready but not listening: connections are handed to `app.server`, requests to `app.routing`. */
export const createApp = async ({routes, log, ...access}: AppDeps): Promise<FastifyInstance> => {
  const refuse = (error: unknown, requestId: string, reply: FastifyReply): void => {
    const {status, body} = refusalOf(error, log, requestId)
    if (status === 401) void reply.header('www-authenticate', 'Bearer')
    void reply.code(status).send(body)
  }
  const app = fastify({
    schemaController,
    routerOptions: {maxParamLength: 300},
    // for an URL that can't be decoded, where no error handler is asked
    frameworkErrors: (error, request, reply) => refuse(error, request.id, reply as FastifyReply),
  })
  app.setErrorHandler((error, request, reply) => refuse(error, request.id, reply))
  app.setNotFoundHandler((request) => {
    throw new ApiFailure(404, 'not-found', `there is no ${request.method} ${pathOf(request)}: see /v1/openapi.json`)
  })
  acceptEmptyJson(app)
  app.decorateRequest('caller', null)
  for (const route of routes) addRoute(app, route, access)
  await app.ready()
  return app
}

/** A client that says `content-type: application/json` and sends nothing means an empty body. */
const acceptEmptyJson = (app: FastifyInstance): void => {
  const parse = app.getDefaultJsonParser('error', 'error')
  app.removeContentTypeParser('application/json')
  app.addContentTypeParser('application/json', {parseAs: 'string'}, (request, body, done) => {
    if (body === '') done(null, undefined)
    else void parse(request, body as string, done)
  })
}

const addRoute = (app: FastifyInstance, route: Route, access: AccessDeps): void => {
  app.route({
    method: route.method,
    url: route.path,
    schema: schemaOf(route),
    ...(route.bodyLimitBytes && {bodyLimit: route.bodyLimitBytes}),
    onRequest: async (request) => {
      request.setDecorator('caller', await callerOf(request, route.access, access))
    },
    preValidation: async (request) => {
      if (route.body && request.body === undefined) request.body = {}
    },
    handler: async (request, reply) => {
      const {body, query} = request
      const params = request.params as Record<string, string>
      const answer = await route.handle({body, query, params, request, reply}, request.getDecorator<Caller>('caller'))
      if (route.answer === null) return reply.code(204).send()
      if (typeof route.answer === 'string') return reply.type(`${route.answer}; charset=utf-8`).send(answer)
      return reply.code(route.status ?? 200).send(answer)
    },
  })
}

const pathOf = (request: FastifyRequest): string => request.url.split('?', 1)[0] as string
