#!/bin/sh
# compile SOURCES OBJECTS PROGRAM: compiles what differs from last time and links a static program against musl.
set -eu
sources=$1 objects=$2 program=$3
musl=$(echo /usr/lib/*-linux-musl)
include=/usr/include/$(basename "$musl")
for source in "$sources"/*.c; do
  sum=$(cat "$source" "$sources"/*.h | sha256sum | cut -c 1-16)
  object=$objects/$(basename "$source" .c)-$sum.o
  [ -f "$object" ] || { echo "compiling $(basename "$source")"; tcc -nostdinc -I"$include" -I"$sources" -c -o "$object" "$source"; }
  set -- "$@" "$object"
done
shift 3
mkdir -p "$(dirname "$program")"
tcc -nostdlib -static -o "$program" "$musl/crt1.o" "$musl/crti.o" "$@" "$musl/libc.a" /usr/lib/*/tcc/libtcc1.a "$musl/crtn.o"
