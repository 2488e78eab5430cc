#!/usr/bin/env bash
# The layer proof must be able to fail: a layer that calls RocksDB, linked as links_alone is, is refused for exactly that.
set -euo pipefail
compiler=$1
here=$(cd "$(dirname "$0")" && pwd)
folder=$(mktemp -dt pawl-layer.XXXXXX)
trap 'rm -rf "$folder"' EXIT

"$compiler" -std=c++20 -c "$here/violation/calls_rocksdb.cpp" -o "$folder/layer.o"
ar cr "$folder/liblayer.a" "$folder/layer.o"
link() { "$compiler" "$here/links_alone.cpp" -Wl,--whole-archive "$folder/liblayer.a" -Wl,--no-whole-archive "$@" -o "$folder/program"; }

if link 2>"$folder/errors"; then
  echo "a layer that calls RocksDB linked without it: --whole-archive proves nothing here" >&2
  exit 1
fi
if ! grep -q 'rocksdb::DB::Open' "$folder/errors"; then
  echo "the link failed, but not for RocksDB:" >&2
  cat "$folder/errors" >&2
  exit 1
fi
link -lrocksdb # and with it all is well, so nothing else was wrong
