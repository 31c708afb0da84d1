import {fastifySwagger} from '@fastify/swagger'
import {fastify} from 'fastify'
import type {Route} from './route.ts'
import {schemaController, schemaOf} from './schema-check.ts'

// Imported when someone asks for the document.

/** The OpenAPI document of these routes. Made on an application of its own, which never listens and is gone afterwards. */
export const openApiDocument = async (routes: readonly Route[], version: string): Promise<object> => {
  const app = fastify({schemaController})
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Hearth',
        version,
        description: 'Container builds on your own machines. All times are milliseconds.',
      },
      components: {securitySchemes: {token: {type: 'http', scheme: 'bearer', description: 'A Hearth token, ht_…'}}},
    },
  })
  for (const route of routes) {
    app.route({
      method: route.method,
      url: route.shownPath ?? route.path,
      schema: {...schemaOf(route), summary: route.summary, tags: [tagOf(route.path)], ...textBody(route)},
      handler: async () => null,
    })
  }
  await app.ready()
  const document = app.swagger()
  await app.close()
  return document
}

const tagOf = (path: string): string => (path.startsWith('/agent/') ? 'agents' : (path.split('/')[2] ?? 'fleet'))

const textBody = ({body}: Route) =>
  body && (body as {type?: string}).type === 'string' ? {consumes: ['text/plain']} : {}
