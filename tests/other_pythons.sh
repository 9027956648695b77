#!/bin/sh
# Runs a part of the suite on every other Python that is at hand: other_pythons.sh PYTHON
#
# PYTHON is the one that runs the whole suite. The part needs no browser and no proxy.
set -eu
cd "$(dirname "$0")/.."
mine=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
PARTS="tests/engine tests/sodium tests/records tests/protocol tests/web tests/store tests/trust tests/cli"
tried=""

for version in 3.11 3.12 3.13 3.14; do
  if [ "$version" = "$mine" ]; then continue; fi
  for python in "$(command -v "python$version" || true)" "${PYENV_ROOT:-$HOME/.pyenv}/versions/$version".*/bin/python; do
    # One that a version manager only promises to have does not start.
    if [ -n "$python" ] && "$python" -c 'import venv, ensurepip, ssl, sqlite3' >/dev/null 2>&1; then break; fi
    python=""
  done
  if [ -z "$python" ]; then continue; fi
  tried="$tried $version"
  venv=".venv-$version"
  stamp="$venv/.ready"
  if [ ! -e "$stamp" ] || [ requirements.lock -nt "$stamp" ] || [ requirements-dev.lock -nt "$stamp" ]; then
    "$python" -m venv --clear "$venv"
    for lock in requirements.lock requirements-dev.lock; do
      "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps --require-hashes --only-binary :all: -r "$lock"
    done
    "$venv/bin/python" -m pip --disable-pip-version-check --quiet install --no-deps --no-build-isolation --editable .
    touch "$stamp"
  fi
  echo "Python $version:"
  # shellcheck disable=SC2086  # several folders
  PYTHONPATH=. "$venv/bin/python" -m pytest -q -n auto --dist loadfile -m "not long" -p no:cacheprovider $PARTS
done
if [ -z "$tried" ]; then echo "No other Python is at hand than $mine: the suite was tried on that alone."; fi
