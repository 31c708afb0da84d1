import {CreatedToken, CreateToken, Token} from '@hearth/proto/api'
import {Type} from 'typebox'
import type {Tokens} from '../auth/tokens.ts'
import {param, type Route, tokenRoute} from './route.ts'

export const tokenRoutes = (tokens: Tokens): readonly Route[] => [
  tokenRoute(
    'admin',
    {method: 'GET', path: '/v1/tokens', summary: 'List the tokens, without their secrets', answer: Type.Array(Token)},
    () => tokens.list(),
  ),
  tokenRoute(
    'admin',
    {
      method: 'POST',
      path: '/v1/tokens',
      summary: "Make a token; its text is shown this once. 'join' tokens join one host, within an hour",
      body: CreateToken,
      answer: CreatedToken,
      status: 201,
    },
    ({body}, by) => tokens.create(body, by.actor),
  ),
  tokenRoute('admin', {method: 'DELETE', path: '/v1/tokens/:id', summary: 'Revoke a token', answer: null}, (call, by) =>
    tokens.revoke(param(call, 'id'), by.actor),
  ),
]
