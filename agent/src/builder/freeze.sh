#!/bin/sh
# Freezes a builder's volume for a moment; started by host/freeze.ts inside the builder's mount namespace.
#   freeze.sh hold SECONDS   says `synced`, waits for a line, freezes, says `frozen`, and thaws when its stdin ends or the time is over;
#                            says `thawed` only if it was frozen until its stdin ended
#   freeze.sh thaw [DEVICE]  thaws whatever may be frozen: the volume here, or what is left of it on a device that no namespace has
# A volume must never stay frozen. So nothing but SIGKILL ends this program while it holds one, and a second one thaws at the deadline.
set -u
trap '' HUP INT TERM PIPE

root=/run/cache # as in enter.sh

hold() {
  sync -f "$root" || exit 1 # what is dirty now is written before anyone has to wait
  echo synced
  read -r _ || exit 0 # nobody wants it any more
  setsid sh -c 'sleep "$0"; exec fsfreeze --unfreeze "$1"' "$1" "$root" </dev/null >/dev/null 2>&1 &
  guard=$!
  if fsfreeze --freeze "$root"; then
    echo frozen
    timeout --signal KILL "$1" cat >/dev/null 2>&1 # not TERM: that is ignored here
    held=$?
    fsfreeze --unfreeze "$root" 2>/dev/null || held=1 # the guard was quicker
  else
    held=1
  fi
  kill -s KILL -- "-$guard"
  [ "$held" -eq 0 ] && echo thawed
}

# only what is not frozen can be frozen: so this succeeds only if it is not frozen any more
thaw() {
  fsfreeze --unfreeze "$1" || { fsfreeze --freeze "$1" && fsfreeze --unfreeze "$1"; }
}

# a frozen file system outlives its last mount, and can be reached by another mount of its device only
thaw_device() {
  mount --types tmpfs hearth /run && mkdir "$root" || exit 1
  mount --types xfs --options nouuid "$1" "$root" || exit 0 # then none is kept alive there
  thaw "$root"
}

case $1 in
hold) hold "$2" ;;
thaw) if [ $# -gt 1 ]; then thaw_device "$2"; else thaw "$root"; fi 2>/dev/null ;;
esac
