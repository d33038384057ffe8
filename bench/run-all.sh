#!/bin/sh
# Runs every benchmark, one after the other, and writes bench/RESULTS.md. Some 40 minutes; the
# machine should have nothing else to do.
#
#     bench/run-all.sh [rounds=1 seconds=2 ...]     the arguments go to every benchmark that knows them
#
# A benchmark that fails leaves a line in its section, and the rest still run; the exit status tells.
set -u
cd "$(dirname "$(readlink -f "$0")")/.."
PATH="$PWD/node_modules/.bin:$PATH"
export PATH
node ops/dev/prepare.mjs >/dev/null || exit 1

results=bench/RESULTS.md.new
failed=0
node bench/machine.ts >"$results" || exit 1

run() {
  name=$1
  shift
  echo "$(date +%T) bench/$name.ts $*" >&2
  if ! timeout 1800 node "bench/$name.ts" "$@" >>"$results"; then
    printf '\n`bench/%s.ts %s` failed.\n' "$name" "$*" >>"$results"
    failed=1
  fi
}
given=$*
# Those of the script's own arguments that are named: not every benchmark knows all of them.
pick() {
  for known in "$@"; do
    for argument in $given; do
      case $argument in "$known="*) echo "$argument" ;; esac
    done
  done
}
both=$(pick rounds seconds)
time=$(pick seconds)
count=$(pick rounds)

# The words of $both and its like are arguments of their own.
# shellcheck disable=SC2086
{
  run udp $both
  run udp names=10000 $both
  run udp names=1000000 $both
  run udp hits $both
  run udp misses $both
  run tcp $both
  run tcp connections=20 $both
  run latency $both
  run workers $both
  run publish $both
  run publish slow $both
  run publish names=1000000 $both
  run update $both
  run update slow $both
  run update names=100000 $both
  run stall $time
  run stall both $time
  run secondaries $time
  run memory $count
  run keys $both
  run registrations $both
  run sync
  run everywhere
}
mv "$results" bench/RESULTS.md
exit $failed
