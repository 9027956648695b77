#!/bin/sh
# Runs the suite against the built wheel, with the source folder away: what is tested is what is shipped.
# Usage: tests/against_wheel.sh PYTHON   (a Python whose environment has the locked dependencies)
set -eu
python=$1
here=$(cd "$(dirname "$0")/.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

case $python in /*) ;; *) python=$here/$python ;; esac
"$python" -m pip --disable-pip-version-check wheel --quiet --no-deps --no-build-isolation --wheel-dir "$work/dist" "$here"
"$python" -m pip --disable-pip-version-check install --quiet --no-deps --target "$work/site" "$work"/dist/*.whl
cp -R "$here/tests" "$here/pyproject.toml" "$here/bench" "$here/docs" "$work/"
cp "$here"/*.md "$here"/*.toml "$here"/*.lock "$here"/Makefile "$work/" 2>/dev/null || true

cd "$work"
# -P keeps the current folder off the path; the wheel's folder comes before the editable install.
export PYTHONPATH="$work/site:$work"
"$python" -c "import cds_service, sys; sys.exit(not cds_service.__file__.startswith('$work/site'))"
"$python" -m cds_service check
"$python" -m pytest -q -n auto --dist loadfile --no-loadscope-reorder -m "not long" tests
