#!/usr/bin/env bash
# What a deploy over SSH does, as a person would type it: build, send the image, run it beside the old one, wait until
# it answers, stop the old one. Arguments: SOURCE TAG NAME OLD LOGIN KEY KNOWN_HOSTS PORT
set -euo pipefail
source=$1 tag=$2 name=$3 old=$4 login=$5 key=$6 known=$7 port=$8
there() { ssh -F none -i "$key" -o UserKnownHostsFile="$known" -o BatchMode=yes "$login" "$@"; }
DOCKER_BUILDKIT=0 docker build -q -t "$tag" "$source" >/dev/null 2>&1
docker save "$tag" | gzip -1 | there 'docker load -q' >/dev/null
there "docker run -d --name $name --cap-drop ALL --security-opt no-new-privileges --read-only --tmpfs /tmp \
    --memory 96m --pids-limit 64 -e RELEASE_ID=$name -p $port:8000 $tag" >/dev/null
until there "curl -fsS -o /dev/null http://127.0.0.1:$port/health" 2>/dev/null; do sleep 0.05; done
[ "$old" = none ] || there "docker stop -t 3 $old" >/dev/null
echo live
