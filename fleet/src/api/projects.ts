import {Cache, CacheDetail, CreateProject, MoveHead, Project, ResetCache, SetProject} from '@hearth/proto/api'
import type {Architecture} from '@hearth/proto/common'
import {Type} from 'typebox'
import type {Fleet} from '../fleet.ts'
import {type Call, param, type Route, tokenRoute} from './route.ts'

/** Projects and their caches. */
export const projectRoutes = (fleet: Fleet): readonly Route[] => [
  tokenRoute(
    'token',
    {method: 'GET', path: '/v1/projects', summary: 'List the projects', answer: Type.Array(Project)},
    (_call, by) => fleet.listProjects(by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'POST',
      path: '/v1/projects',
      summary: 'Create a project',
      body: CreateProject,
      answer: Project,
      status: 201,
    },
    ({body}, by) => fleet.createProject(body, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'GET',
      path: '/v1/projects/*',
      shownPath: '/v1/projects/:project',
      summary: 'Show a project and the policy of its caches',
      answer: Project,
    },
    (call, by) => fleet.showProject(param(call, '*'), by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'PATCH',
      path: '/v1/projects/*',
      shownPath: '/v1/projects/:project',
      summary: 'Set the policy of its caches; null: the policy of the fleet holds again',
      body: SetProject,
      answer: Project,
    },
    (call, by) => fleet.setProject(param(call, '*'), call.body, by),
  ),
  tokenRoute(
    'admin',
    {
      method: 'DELETE',
      path: '/v1/projects/*',
      shownPath: '/v1/projects/:project',
      summary: 'Delete a project and its caches',
      answer: null,
    },
    (call, by) => fleet.deleteProject(param(call, '*'), by),
  ),
  tokenRoute(
    'token',
    {method: 'GET', path: '/v1/caches', summary: 'List the cache volumes', answer: Type.Array(Cache)},
    (_call, by) => fleet.listCaches(by),
  ),
  tokenRoute(
    'token',
    {
      method: 'POST',
      path: '/v1/caches/:project/reset',
      summary: "Make a project's next build start with an empty cache; safe during a build",
      body: ResetCache,
      answer: Type.Array(Cache),
    },
    (call, by) => fleet.resetCache(param(call, 'project'), call.body.architecture ?? null, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'GET',
      path: '/v1/caches/:project',
      summary: 'Show the caches of a project: generations, copies, what they take, what happened to them',
      query: ResetCache,
      answer: Type.Array(CacheDetail),
    },
    (call, by) => fleet.showCaches(param(call, 'project'), call.query.architecture ?? null, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'POST',
      path: '/v1/caches/:project/rollback',
      summary: 'Make another known-good generation the head; builds that run are unaffected and do not become it',
      body: MoveHead,
      answer: Type.Array(CacheDetail),
    },
    (call, by) => fleet.rollBackCache({...cacheOf(call), to: call.body.to ?? null}, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'POST',
      path: '/v1/caches/:project/pin',
      summary: 'Fix the head of a cache: builds start from it, and none changes it',
      body: MoveHead,
      answer: Type.Array(CacheDetail),
    },
    (call, by) => fleet.pinCache({...cacheOf(call), to: call.body.to ?? null}, by),
  ),
  tokenRoute(
    'token',
    {
      method: 'POST',
      path: '/v1/caches/:project/unpin',
      summary: 'Let builds change the head of a cache again',
      body: ResetCache,
      answer: Type.Array(CacheDetail),
    },
    (call, by) => fleet.unpinCache(cacheOf(call), by),
  ),
]

const cacheOf = (call: Call<{architecture?: Architecture}>) => ({
  project: param(call, 'project'),
  architecture: call.body.architecture ?? null,
})
