export {abortable} from '@hearth/proto/abortable'
