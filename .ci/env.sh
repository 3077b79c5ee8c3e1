# The build's environment; sourced by every make target, and by hand (`. .ci/env.sh`) to use cargo directly.
# Everything that is worth keeping between clones lies in one per-user folder: RocksDB, tools, cargo's target folder.
export VERDICT_CACHE=${VERDICT_CACHE:-$HOME/.cache/verdict}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$VERDICT_CACHE/target}
case ":$PATH:" in *":$VERDICT_CACHE/tools/bin:"*) ;; *) export PATH="$VERDICT_CACHE/tools/bin:$PATH" ;; esac
# Written by `.ci/rocksdb`. Without it cargo compiles RocksDB itself: slower, otherwise the same.
# shellcheck disable=SC1091
if [ -f "$VERDICT_CACHE/rocksdb.env" ]; then . "$VERDICT_CACHE/rocksdb.env"; fi
