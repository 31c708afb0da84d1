import {DrainHost, Host} from '@hearth/proto/api'
import {Type} from 'typebox'
import type {Fleet} from '../fleet.ts'
import {param, type Route, tokenRoute} from './route.ts'

export const hostRoutes = (fleet: Fleet): readonly Route[] => [
  tokenRoute(
    'token',
    {method: 'GET', path: '/v1/hosts', summary: 'List the hosts', answer: Type.Array(Host)},
    (_call, by) => fleet.listHosts(by),
  ),
  tokenRoute(
    'token',
    {method: 'GET', path: '/v1/hosts/:id', summary: 'Show a host, by id or name', answer: Host},
    (call, by) => fleet.showHost(param(call, 'id'), by),
  ),
  tokenRoute(
    'admin',
    {method: 'POST', path: '/v1/hosts/:id/cordon', summary: 'Give a host no new builds', answer: Host},
    (call, by) => fleet.cordonHost(param(call, 'id'), by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'POST',
      path: '/v1/hosts/:id/uncordon',
      summary: 'Give a host builds again; cancels its drain',
      answer: Host,
    },
    (call, by) => fleet.uncordonHost(param(call, 'id'), by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'POST',
      path: '/v1/hosts/:id/drain',
      summary: 'Cordon a host, let its builds finish, and move those left at the deadline',
      body: DrainHost,
      answer: Host,
    },
    (call, by) => fleet.drainHost(param(call, 'id'), call.body, by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'DELETE',
      path: '/v1/hosts/:id',
      summary: 'Remove a host; its certificate opens nothing more',
      answer: null,
    },
    (call, by) => fleet.removeHost(param(call, 'id'), by),
  ),
]
