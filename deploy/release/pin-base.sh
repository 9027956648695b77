#!/bin/sh
# Writes the digest that the tag of the base image has today into the Dockerfile: a build can then be repeated.
# Needs skopeo or docker, and a way to the image's registry. Run it again to take in the base's security updates.
set -eu
cd "$(dirname "$0")/../.."
image=$(sed -n 's/^ARG PYTHON_IMAGE=\([^@]*\).*/\1/p' Dockerfile)
if command -v skopeo >/dev/null 2>&1; then
  case ${image%%/*} in *.* | *:*/*) name=$image ;; *) name=docker.io/library/$image ;; esac
  digest=$(skopeo inspect ${SKOPEO_FLAGS:-} --format '{{.Digest}}' "docker://$name") || digest=
elif command -v docker >/dev/null 2>&1; then
  digest=$(docker buildx imagetools inspect "$image" --format '{{.Manifest.Digest}}') || digest=
else
  echo "pin-base: install skopeo or docker first (apt-get install skopeo)" >&2
  exit 69
fi
case $digest in
  sha256:????????????????????????????????????????????????????????????????) ;;
  *)
    echo "pin-base: the registry of $image gave no digest; the Dockerfile is as it was" >&2
    exit 75
    ;;
esac
sed -i.old "s|^ARG PYTHON_IMAGE=.*|ARG PYTHON_IMAGE=$image@$digest|" Dockerfile
rm -f Dockerfile.old
echo "Dockerfile: $image@$digest"
