#!/usr/bin/env bash
# What a scaffold build does, as a person would type it: commits, ruff, tests and two probed starts behind
# bubblewrap, then the release. Arguments: REPOSITORY COMMIT VENV RUFF and three ports, then what pytest is told of its
# plugins; runs in an empty directory and says `live` when the release has answered.
set -euo pipefail
repository=$1 commit=$2 venv=$3 ruff=$4 ports=("$5" "$6" "$7")
shift 7
export GIT_AUTHOR_NAME=bench GIT_AUTHOR_EMAIL=bench@localhost GIT_COMMITTER_NAME=bench GIT_COMMITTER_EMAIL=bench@localhost

tree() { # a clean checkout of one commit of a repository
    mkdir "$3" && git --git-dir="$1" archive "$2" | tar -x -C "$3"
}
commit_all() { # the files of a directory as a commit
    git --git-dir=made.git --work-tree="$1" add -A
    git --git-dir=made.git --work-tree="$1" commit -q -m "$2"
}
walled() { # a command behind walls, in a directory that it may write
    bwrap --unshare-user --unshare-ipc --unshare-pid --unshare-uts --die-with-parent --new-session --clearenv \
        --cap-drop ALL --ro-bind /usr /usr --symlink usr/bin /bin --symlink usr/lib /lib --symlink usr/lib64 /lib64 \
        --dir /etc --proc /proc --dev /dev --tmpfs /tmp --bind "$1" /ws --ro-bind "$venv" /venv --chdir /ws \
        --setenv PATH /usr/bin:/bin --setenv HOME /tmp --setenv DATA_DIR /tmp --setenv REGISTER false --setenv PYTEST_DISABLE_PLUGIN_AUTOLOAD 1 \
        --setenv DROPLET_ID 13 --setenv SERVICE_NAME library --setenv SERVICE_PORT "$2" "${@:3}"
}
answers() { # wait until the service on a port is healthy, then ask what the contract asks
    until curl -fsS -o /dev/null "http://127.0.0.1:$1/health" 2>/dev/null; do sleep 0.02; done
    for path in capabilities state dependencies openapi.json; do curl -fsS -o /dev/null "http://127.0.0.1:$1/$path"; done
}
serve() { walled "$1" "$2" /venv/bin/python -m uvicorn app.main:app --host 127.0.0.1 --port "$2" >"$1.log" 2>&1; }
proven() { # start a service, probe it, end it
    serve "$1" "$2" &
    local service=$!
    answers "$2"
    kill "$service"
    wait "$service" || true
}

git init -q --bare made.git
for step in "$commit^" "$commit"; do
    tree "$repository" "$step" "step-$step"
    commit_all "step-$step" "$step"
done
git --git-dir=made.git diff HEAD^ HEAD >/dev/null

tree made.git HEAD checked
cp -r checked first && cp -r checked second
"$ruff" check -q --isolated --no-cache --line-length 100 \
    --select E,F,W,I,UP,B,S,ANN,D1,N --ignore D105,D107,S101 checked/app >&2
walled "$PWD/checked" 1 /venv/bin/python -m pytest tests -q -p no:cacheprovider "$@" >&2 &
tests=$!
proven "$PWD/first" "${ports[0]}" >&2 &
first=$!
proven "$PWD/second" "${ports[1]}" >&2 &
second=$!
wait "$tests"
wait "$first"
wait "$second"

tree made.git HEAD release
serve "$PWD/release" "${ports[2]}" &
release=$!
trap 'kill "$release"' EXIT
answers "${ports[2]}"
echo live
