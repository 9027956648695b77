#!/bin/sh
# Builds the image with what is at hand: build.sh TAG [CA] [PIP_CONF] [BASE]. `make image` calls it.
# CA and PIP_CONF are files that become build secrets: no layer holds them. Inside a container, where no other isolation
# works, set BUILDAH_ISOLATION=chroot.
set -eu
cd "$(dirname "$0")/../.."
tag=$1 ca=${2:-} pip=${3:-} base=${4:-}

tool=none
if docker info >/dev/null 2>&1; then # its engine answers; the command alone builds nothing
  tool=docker
elif command -v podman >/dev/null 2>&1; then
  tool=podman
elif command -v buildah >/dev/null 2>&1; then
  tool=buildah
fi
case $tool in
  docker) export DOCKER_BUILDKIT=1; build="docker build" ;;
  podman) build="podman build" ;;
  buildah) build="buildah build" ;;
  *) echo "No docker with an engine, podman or buildah is here: install one of them." >&2; exit 69 ;;
esac

set -- --tag "$tag"
if [ "$tool" != docker ]; then set -- "$@" --format docker; fi # or it has no health check
if [ -n "$ca" ]; then set -- "$@" --secret "id=ca,src=$ca"; fi
if [ -n "$pip" ]; then set -- "$@" --secret "id=pip,src=$pip"; fi
if [ -n "$base" ]; then set -- "$@" --build-arg "PYTHON_IMAGE=$base"; fi
echo "Building $tag with $tool ..."
exec $build "$@" .
