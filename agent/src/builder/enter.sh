#!/bin/sh
# The first program of a builder; started by buildkit/daemon.ts, which sets the variables HEARTH_*.
#   enter.sh join PROGRAM…   joins the builder's cgroups, then becomes PROGRAM: nsenter, unshare and this script again
#   enter.sh stay            pid 1 of the builder: mounts the volume, runs buildkitd, leaves its last words in the file `exit`
# What is written here nobody may have to read to know that a volume is clean: no `exit` file means that it is not.
set -uf

own=/run/hearth   # the builder's runtime directory
root=/run/cache   # the volume
temporary=/run/tmp

say() { echo "enter.sh: $*" >&2; }

join() {
  for group in $HEARTH_CGROUPS; do
    echo 0 >"$group/cgroup.procs" || exit 70
  done
  # when the host itself is out of memory: any step before the daemon that holds the cache (runc.sh sets steps back)
  # (in some containers no one may lower it, and that is all that changes)
  echo "$HEARTH_OOM_SCORE" 2>/dev/null >/proc/self/oom_score_adj || :
  exec "$@"
}

stay() {
  mounted=false
  lock_gone=true
  synced=true
  unmounted=true
  refused=false
  status=null
  said='the volume could not be mounted'
  if prepare; then
    mounted=true
    : >"$own/mounted"
    serve
    leave
  fi
  last_words
}

prepare() {
  # one program for all mounts, the volume last: each start of a program costs a millisecond or two
  mount --all --fstab "$HEARTH_DIRECTORY/mounts"
  how=$?
  # A mount that stays here would pin what others detach (the volume pool, network namespaces, other people's disks), and to unmount
  # one by its path hangs if it hangs. So the builder gets a root that never had them, and the host's is let go of as a whole.
  if [ "$how" -ne 0 ] || ! enter_root; then
    own=$HEARTH_DIRECTORY
    tree=$HEARTH_DIRECTORY/root # all but the volume is there: it is to blame
    mountpoint -q "$tree$temporary" && ! mountpoint -q "$tree$root" && refused=true
    return 1
  fi
  if [ -n "$HEARTH_GROW" ] && ! xfs_growfs -d "$root" >/dev/null; then
    say 'the volume stays as small as it was: it could not be grown'
  fi
  [ -n "$HEARTH_RESOLV_CONF" ] || return 0
  [ -e "$HEARTH_RESOLV_CONF" ] || { mkdir -p "${HEARTH_RESOLV_CONF%/*}" && : >"$HEARTH_RESOLV_CONF"; }
  mount --bind "$own/resolv.conf" "$HEARTH_RESOLV_CONF"
}

enter_root() {
  cd "$HEARTH_DIRECTORY/root" && mkdir run/host && pivot_root . run/host && cd / &&
    umount --lazy /run/host && rmdir /run/host
}

# buildkitd opens the records of its steps only for the first step, which it then fails; so there is time to look while it starts. bbolt
# keeps two meta pages, of which one at least has to be whole; each begins, after 16 bytes, with magic and version, page size, and (db.go,
# type meta) how many pages there are.
steps_are_torn() {
  records=$root/runc-overlayfs/snapshots/metadata.db
  [ -f "$records" ] || return 1
  for page in 0 4096 16384 65536; do
    # shellcheck disable=SC2046 # six numbers
    set -- $(od -An -v -w48 -tu8 -j $((page + 16)) -N48 "$records" 2>/dev/null)
    [ "${1-}" = 12566977261 ] || continue # magic 0xED0CDAED, version 2
    [ $(($6 * $2)) -gt "$(stat -c %s "$records")" ] || return 1
  done
}

serve() {
  # LISTEN_PID must be buildkitd's pid in this pid namespace, so the shell that becomes buildkitd sets it
  TMPDIR=$temporary sh -c 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"' "$HEARTH_BUILDKITD" \
    --config "$own/buildkitd.toml" &
  buildkitd=$!
  exec 3>&- # the listener ends with buildkitd
  if steps_are_torn; then
    refused=true
    kill -9 "$buildkitd"
    wait "$buildkitd"
    said='the records of its steps (snapshots/metadata.db) are torn'
    return
  fi
  : >"$own/checked"
  wait "$buildkitd"
  status=$?
  said="buildkitd ended with $status"
}

leave() {
  [ -e "$root/buildkitd.lock" ] && lock_gone=false
  kill -9 -1 2>/dev/null # what a step left behind; this shell, pid 1, is spared
  umount -R "$temporary" 2>/dev/null
  synced=false
  sync -f "$root" && synced=true
  unmounted=false
  for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    umount -R "$root" && unmounted=true && break
    sleep 0.05 # a killed step is still ending
  done
}

last_words() {
  printf '{"mounted":%s,"refused":%s,"status":%s,"lockGone":%s,"synced":%s,"unmounted":%s,"said":"%s"}\n' \
    "$mounted" "$refused" "$status" "$lock_gone" "$synced" "$unmounted" "$said" >"$own/exit.part" && mv "$own/exit.part" "$own/exit"
}

case $1 in
join) shift; join "$@" ;;
stay) stay ;;
esac
