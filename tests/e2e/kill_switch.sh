#!/bin/sh
# The kill switch as a script sees it: touch, rm, echo >, pawl check, pawl kill, pawl clear, and what they exit with.
# usage: PAWL=path/to/pawl kill_switch.sh
set -u
unset PAWL_URL PAWL_CLAIM
folder=$(mktemp -d /tmp/pawl-e2e-kill-XXXXXX)
bus=
trap '[ -z "$bus" ] || kill -9 "$bus" 2>/dev/null; rm -rf "$folder"' EXIT
trap 'exit 1' INT TERM
cd "$folder" || exit 1
KILL=pawl-data/KILL
failed=0
step=

# expect CODE WORD…: runs it; what it says is shown only when it exits with another code.
expect() {
  wanted=$1
  shift
  "$@" >out 2>err </dev/null
  got=$?
  if [ "$got" -ne "$wanted" ]; then
    echo "$step: '$*' exited with $got, not $wanted" >&2
    sed 's/^/    /' out err >&2
    failed=1
  fi
}

# The same, within some seconds: a file may be seen between its making and its writing, and counts as a freeze of everything so long.
expect_soon() {
  tries=0
  until "$@" >out 2>err </dev/null || [ "$tries" -gt 100 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
  expect 0 "$@"
}

is_frozen() { expect 3 "$PAWL" check; }
is_clear() { expect 0 "$PAWL" check; }
is_there() { expect 0 test -e "$1"; }
is_gone() { expect 1 test -e "$1"; }

wrong_kills() {
  expect 2 "$PAWL" kill
  expect 2 "$PAWL" kill --reason ""
  expect 2 "$PAWL" kill --scope half --reason x
  expect 2 "$PAWL" kill --for soon --reason x
  expect 2 "$PAWL" kill --for 0s --reason x
  expect 2 "$PAWL" kill --for -5s --reason x
  expect 2 "$PAWL" kill --hard --for 5s --reason x
  expect 2 "$PAWL" kill --hard
  expect 2 "$PAWL" kill --soft --reason x
  expect 2 "$PAWL" check --scope half
  expect 2 "$PAWL" check again
}

start() {
  : >serve.log
  "$PAWL" serve --listen none --http none >>serve.log 2>&1 &
  bus=$!
  tries=0
  until grep -q '^pawl: ready' serve.log; do
    tries=$((tries + 1))
    if [ "$tries" -gt 600 ] || ! kill -0 "$bus" 2>/dev/null; then
      echo "$step: the bus does not start" >&2
      cat serve.log >&2
      exit 1
    fi
    sleep 0.1
  done
}

# As the power would do it.
crash() {
  kill -9 "$bus"
  wait "$bus" 2>/dev/null
  bus=
}

start

step="by hand"
is_clear
for _ in 1 2 3; do
  touch $KILL
  is_frozen
  rm $KILL
  is_clear
  is_gone $KILL
done
echo "the bill is too high" >$KILL
is_frozen
grep -q "the bill is too high" out || { echo "$step: check does not tell the reason" >&2; failed=1; }
rm $KILL
is_clear

step="a scope by hand"
echo "scope=claims" >$KILL
is_frozen
expect 3 "$PAWL" check --scope intake
expect 3 "$PAWL" check --scope claims
expect_soon "$PAWL" check --scope all
expect 3 "$PAWL" check --scope claims
rm $KILL
is_clear

step="kill and clear"
expect 0 "$PAWL" kill --reason "a drill"
is_frozen
is_there $KILL
expect 0 "$PAWL" clear --reason "over"
is_clear
is_gone $KILL
expect 0 "$PAWL" clear --reason "nothing stands, which is fine"
is_clear

step="kill is cleared by rm, touch by clear"
expect 0 "$PAWL" kill --reason "a drill"
rm $KILL
is_clear
touch $KILL
expect 0 "$PAWL" clear --reason "over"
is_clear
is_gone $KILL

step="scopes"
expect 0 "$PAWL" kill --scope intake --reason "no more of it"
is_frozen
expect 3 "$PAWL" check --scope intake
expect 0 "$PAWL" check --scope claims
expect 0 "$PAWL" check --scope all
expect 0 "$PAWL" kill --scope all --reason "nor of anything"
expect 3 "$PAWL" check --scope all
expect 0 "$PAWL" clear --reason "over"
is_clear

step="a time limit"
expect 0 "$PAWL" kill --for 1s --reason "for a moment"
is_frozen
tries=0
while ! "$PAWL" check >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || { echo "$step: it does not end" >&2; failed=1; break; }
  sleep 0.05
done
is_clear
is_gone $KILL
expect 0 "$PAWL" kill --for 10m --reason "longer than this test"
is_frozen
expect 0 "$PAWL" clear --reason "over"
is_clear

step="wrong usage changes nothing"
wrong_kills
is_clear
touch $KILL
is_frozen
wrong_kills
is_frozen
expect 2 "$PAWL" clear
expect 2 "$PAWL" clear --reason ""
expect 2 "$PAWL" clear --hard
is_frozen
rm $KILL
is_clear

step="a hard freeze"
expect 0 "$PAWL" kill --hard --reason "the real thing"
is_frozen
is_there $KILL
is_there pawl-data/KILL_HARD
expect 3 "$PAWL" clear --reason "not enough"
is_frozen
rm $KILL pawl-data/KILL_HARD
is_frozen
expect 0 "$PAWL" kill --reason "softer changes nothing"
expect 3 "$PAWL" clear --reason "still not enough"
is_frozen
expect 0 "$PAWL" clear --hard --reason "mended"
is_clear
is_gone $KILL
is_gone pawl-data/KILL_HARD
touch pawl-data/KILL_HARD
is_frozen
expect 3 "$PAWL" clear --reason "not enough"
expect 0 "$PAWL" clear --hard --reason "mended"
is_clear

step="with the bus down"
crash
is_clear
touch $KILL
is_frozen
rm $KILL
is_clear
touch pawl-data/KILL_HARD
is_frozen
rm pawl-data/KILL_HARD
is_clear
mkdir $KILL
is_frozen
rmdir $KILL
is_clear
touch $KILL

step="touched while the bus was down"
start
is_frozen
rm $KILL
is_clear

step="a soft freeze over a crash"
expect 0 "$PAWL" kill --reason "a drill"
is_frozen
crash
is_frozen
start
is_frozen
crash
rm $KILL
is_clear
start
is_clear

step="a hard freeze over a crash"
expect 0 "$PAWL" kill --hard --reason "the real thing"
crash
is_frozen
rm $KILL pawl-data/KILL_HARD
start
is_frozen
crash
is_frozen
start
expect 3 "$PAWL" clear --reason "not enough"
expect 0 "$PAWL" clear --hard --reason "mended"
is_clear
crash
start
is_clear

[ "$failed" -eq 0 ] && echo "the kill switch does what a script expects of it"
exit "$failed"
