// What goes wrong with volumes, on hosts and in the fleet alike. Callers branch on the class; the message is for people.

/** The copy is in use; the message names by whom. */
export class VolumeBusyError extends Error {
  override readonly name: string = 'VolumeBusyError'
}
/** Nobody has the copy open, but a client that died left its lock: it has to be fenced first. */
export class StaleLockError extends VolumeBusyError {
  override readonly name = 'StaleLockError'
}
/** The generation that a copy is to be cloned from is not there. */
export class GenerationMissingError extends Error {
  override readonly name = 'GenerationMissingError'
}
/** The copy is not there. */
export class CopyMissingError extends Error {
  override readonly name = 'CopyMissingError'
}
/** What the copy holds isn't what it must hold (another UUID, unreadable, blank, not blank). It is never formatted over. */
export class VolumeContentError extends Error {
  override readonly name = 'VolumeContentError'
}
/** The storage refuses: a wrong key, no such pool, a feature that is missing. Another try ends the same until someone mends it. */
export class StorageRefusedError extends Error {
  override readonly name = 'StorageRefusedError'
}
/** The storage does not answer (in time). */
export class StorageUnreachableError extends Error {
  override readonly name = 'StorageUnreachableError'
}
/** The storage takes no more writes until there is room. */
export class StorageFullError extends Error {
  override readonly name = 'StorageFullError'
}
/** It is not proven that nobody can write to the copy any more: it must not be deleted. */
export class FenceUnconfirmedError extends Error {
  override readonly name = 'FenceUnconfirmedError'
}
/** A newer epoch of this copy was granted: whoever asks with an older one may never write again. */
export class EpochFencedError extends Error {
  override readonly name = 'EpochFencedError'
}
