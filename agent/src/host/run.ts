export {run} from '@hearth/proto/real-run'
export {CommandError, ProgramStuckError, type Run} from '@hearth/proto/run'
