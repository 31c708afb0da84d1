# What set-up says: one line for each tool, and how long it has been at whatever takes longer than two seconds.

# way NAME VERSION HOW [HOW-ON-LATER-RUNS]
way() {
  printf '%-10s %-9s %s\n' "$1" "$2" "$3"
  printf '%-10s %-9s %s\n' "$1" "$2" "${4:-$3}" >>"$toolchain/ways-$level.partial"
}

# fail WHAT-HAPPENED WHAT-TO-DO
fail() {
  printf 'hearth set-up: %s\n  %s\n' "$1" "$2" >&2
  exit 1
}

# slow NAME WHAT COMMAND...: runs it with its output in a log, of which the end is shown if it fails. Leaves the time in $took.
slow() {
  slow_name=$1 slow_what=$2
  shift 2
  log=$root/build/setup-$slow_name.log
  began=$(date +%s)
  tick &
  ticker=$!
  trap 'kill "$ticker" 2>/dev/null' EXIT
  set +e
  (set -e; "$@") >"$log" 2>&1 </dev/null
  status=$?
  set -e
  kill "$ticker" 2>/dev/null || true
  wait "$ticker" 2>/dev/null || true
  trap - EXIT
  [ ! -t 2 ] || printf '\r\033[K' >&2
  took=$(minutes $(($(date +%s) - began)))
  [ "$status" -eq 0 ] || {
    tail -n 25 "$log" >&2
    fail "$slow_name: $slow_what failed (exit $status)" "the lines above are the end of $log; set-up can simply be run again"
  }
}

# whole FOLDER NAME WHAT COMMAND...: has COMMAND fill $partial, which gets FOLDER's name once all of it is there. The name is
# this run's own: what a killed run left running still writes to the other one, and the next run clears it away.
whole() {
  whole_folder=$1
  shift
  partial=$whole_folder.$$.partial
  mkdir -p "$partial"
  slow "$@"
  mv "$partial" "$whole_folder"
}

# Ends with set-up even if that is killed with -9, and holds nothing open that a reader of set-up's output waits for.
tick() {
  seconds=0
  while sleep 1 >/dev/null 2>&1 </dev/null && kill -0 "$$" 2>/dev/null; do
    seconds=$((seconds + 1))
    if [ -t 2 ]; then
      printf '\r\033[K%-10s %s … %s' "$slow_name" "$slow_what" "$(minutes "$seconds")" >&2
    elif [ "$seconds" -eq 2 ] || [ $((seconds % 20)) -eq 0 ]; then
      printf '%-10s %s … %s\n' "$slow_name" "$slow_what" "$(minutes "$seconds")" >&2
    fi
  done
}

minutes() {
  if [ "$1" -lt 60 ]; then echo "$1 s"; else echo "$(($1 / 60)) min $(($1 % 60)) s"; fi
}
