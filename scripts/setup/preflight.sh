# What no set-up can install: the system, root, features of the kernel. All that is missing is said in one first line.

preflight() {
  system=$(uname -s)
  [ "$system" = Linux ] || refuse "needs Linux, and this is $system" \
    'run it in a Linux machine or VM (Debian 12 or newer, root)'
  case $(uname -m) in
    x86_64 | aarch64) ;;
    *) refuse "needs an x86_64 or aarch64 machine, and this is $(uname -m)" 'run it on one of these' ;;
  esac
  [ "$1" != check ] || return 0
  [ "$(id -u)" -eq 0 ] || refuse 'needs root (it mounts volumes, makes namespaces and installs Debian packages)' \
    "run it with sudo (\`make check\` needs none)"
  command -v apt-get >/dev/null && command -v dpkg-query >/dev/null ||
    refuse 'needs Debian or a relative of it, and apt-get or dpkg-query is missing' 'run it on Debian 12 or newer'
  missing=$(missing_features | paste -sd , - | sed 's/,/, /g')
  [ -z "$missing" ] || refuse "needs what this kernel, or this container, lacks: $missing" \
    'run it on a machine or VM of its own with a stock Debian kernel, not in an unprivileged container'
}

missing_features() {
  for file_system in overlay xfs; do
    has_file_system "$file_system" || { modprobe "$file_system" 2>/dev/null && has_file_system "$file_system"; } ||
      echo "the $file_system file system"
  done
  [ -c /dev/loop-control ] || { modprobe loop 2>/dev/null && [ -c /dev/loop-control ]; } ||
    echo 'loop devices (/dev/loop-control)'
  unshare --mount --pid --net --fork true 2>/dev/null || echo 'namespaces (mount/pid/network)'
  for controller in cpu memory; do
    grep -qsw "$controller" /sys/fs/cgroup/cgroup.controllers ||
      grep -qE "^[^ ]+ [^ ]+ cgroup rw[^ ]*,$controller[, ]" /proc/mounts || echo "the $controller cgroup controller"
  done
  if command -v nft >/dev/null && command -v ip >/dev/null; then missing_network_features; fi
}

has_file_system() {
  grep -qw "$1" /proc/filesystems
}

# Tried in a network namespace that is gone with the command, so that nothing stays.
missing_network_features() {
  unshare --net nft add table inet hearth 2>/dev/null || echo 'nftables'
  unshare --net ip link add veth0 type veth peer name veth1 2>/dev/null || echo 'veth network devices'
}

# nft and ip may have been installed only now.
preflight_after_packages() {
  missing=$(missing_network_features | paste -sd , - | sed 's/,/, /g')
  [ -z "$missing" ] || refuse "needs what this kernel, or this container, lacks: $missing" \
    'run it on a machine or VM of its own with a stock Debian kernel, not in an unprivileged container'
}

refuse() {
  printf 'Hearth %s. What to do: %s.\n' "$1" "$2" >&2
  exit 1
}
