import {Cache, CreateProject, Project, ResetCache} from '@hearth/proto/api'
import {Type} from 'typebox'
import type {Fleet} from '../fleet.ts'
import {param, type Route, tokenRoute} from './route.ts'

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
    ({body}, by) => fleet.createProject(body.name, by),
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
]
