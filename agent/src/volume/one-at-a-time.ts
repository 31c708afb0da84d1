export {createOneAtATime} from '@hearth/proto/one-at-a-time'
