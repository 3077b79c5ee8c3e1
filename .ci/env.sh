# The build's environment; sourced by every make target, and by hand (`. .ci/env.sh`) to use cargo directly.
# Everything that is worth keeping between clones lies in one per-user folder: RocksDB, tools, cargo's target folder.
export VERDICT_CACHE=${VERDICT_CACHE:-$HOME/.cache/verdict}
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$VERDICT_CACHE/target}
case ":$PATH:" in *":$VERDICT_CACHE/tools/bin:"*) ;; *) export PATH="$VERDICT_CACHE/tools/bin:$PATH" ;; esac
# Written by `.ci/rocksdb`. Without it cargo compiles RocksDB itself: slower, otherwise the same.
# shellcheck disable=SC1091
if [ -f "$VERDICT_CACHE/rocksdb.env" ]; then . "$VERDICT_CACHE/rocksdb.env"; fi
# Cargo names what it builds by paths within the workspace, and trusts the times of files: of two clones that share the
# folder, one would run what was built of the other. So whoever comes after another clone builds its own crates anew.
checkout=$(cd "$(dirname "${BASH_SOURCE[0]:-.ci/env.sh}")/.." && pwd)
if [ "$(cat "$CARGO_TARGET_DIR/checkout" 2>/dev/null)" != "$checkout" ]; then
    rm -rf "$CARGO_TARGET_DIR"/*/.fingerprint/verdict*
    mkdir -p "$CARGO_TARGET_DIR"
    echo "$checkout" >"$CARGO_TARGET_DIR/checkout"
fi
unset checkout
