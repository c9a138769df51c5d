"""Files on another machine, by its own sh and coreutils: an SFTP server need not be there.

The scripts get their words as arguments and never as text. When a connection is cut, the sshd there ends the
input as if it were complete: so each script is told the length and believes only that.
"""

from __future__ import annotations

from executor.adapters.programs import Finished
from executor.errors import Permanent, Transient

BUSY, CUT, DAMAGED, NO_TOOLS = 75, 76, 77, 127
HAVE, WHOLE = b"fpai-have ", b"fpai-whole"
_RETRY = 5.0
_STALE = 60

ROOT = """
umask 077
cd && mkdir -p .fpai && chmod 700 .fpai && cd .fpai && echo "fpai-root $(pwd -P)"
"""

# $1 path, $2 its directory, $3 length, $4 mode. Two writers never share a part.
WRITE = f"""
export LC_ALL=C
umask 077
part=$1.$$.part
trap 'rm -f -- "$part"' EXIT
mkdir -p -- "$2" && : >"$part" && chmod "$4" "$part" && cat >"$part" || exit 1
[ "$(wc -c <"$part")" -eq "$3" ] || exit {CUT}
sync -- "$part" && mv -fT -- "$part" "$1" && sync -- "$2"
"""

# $1 path, $2 its directory, $3 length, $4 SHA-256. One transfer of a file at a time: `.lock`, held through
# descriptor 9, which the receiving cat inherits: it may outlive a cut connection for as long as the sshd
# there does not notice (hours by its defaults). Whoever comes next ends a cat that got nothing for a minute.
# The lock's file is removed by its holder; who then holds a removed file finds another or none at the path.
SEND = f"""
export LC_ALL=C
umask 077
command -v flock >/dev/null && command -v sha256sum >/dev/null || exit {NO_TOOLS}
part=$1.part lock=$1.lock
mkdir -p -- "$2" && exec 9>>"$lock" || exit 1
if ! flock -n 9; then
    [ -e "$part" ] && [ $(($(date +%s) - $(stat -c %Y -- "$part"))) -ge {_STALE} ] || exit {BUSY}
    for fd in /proc/[0-9]*/fd/9; do
        pid=${{fd#/proc/}} pid=${{pid%%/*}}
        [ "$fd" -ef "$lock" ] && [ "$(cat "/proc/$pid/comm")" = cat ] && kill "$pid"
    done
    exit {BUSY}
fi
[ "$lock" -ef /proc/$$/fd/9 ] || exit {BUSY}
trap 'rm -f -- "$lock"' EXIT
length() {{ [ ! -f "$1" ] && echo 0 || wc -c <"$1"; }}
right() {{ [ "$(length "$1")" -eq "$2" ] && [ "$(sha256sum <"$1" | cut -c1-64)" = "$3" ]; }}
if [ -f "$1" ] && right "$1" "$3" "$4"; then
    rm -f -- "$part"
    echo {WHOLE.decode()}
    exit 0
fi
[ "$(length "$part")" -le "$3" ] || rm -f -- "$part"
echo {HAVE.decode()}"$(length "$part")"
touch -- "$part" && cat >>"$part" || exit 1
[ "$(length "$part")" -eq "$3" ] || exit {CUT}
right "$part" "$3" "$4" || {{ rm -f -- "$part"; exit {DAMAGED}; }}
sync -- "$part" && mv -fT -- "$part" "$1" && sync -- "$2"
"""


def judge(done: Finished, path: str, machine: str) -> None:
    """Return if the script did its work; else raise Transient (waiting may help) or Permanent."""
    if done.code == 0:
        return
    where = f"{path} on {machine}"
    if done.code == BUSY:
        raise Transient(f"{where} is being written by another transfer.", retry_after=_RETRY)
    if done.code == CUT:
        raise Transient(f"The transfer of {where} broke off; what arrived is kept and continued.")
    if done.code == DAMAGED:
        raise Transient(f"{where} arrived damaged (wrong SHA-256); it was thrown away and is sent anew.")
    if done.code == NO_TOOLS:
        raise Permanent(
            f"{machine} lacks flock or sha256sum, which a transfer needs.",
            hint="Install util-linux and coreutils there.",
        )
    raise unwritable(where, done.error_text)


def unwritable(where: str, said: str) -> Transient | Permanent:
    """Transient when there was no room, which somebody can make; else Permanent."""
    if "No space left" in said or "quota exceeded" in said:
        return Transient(
            f"{where} cannot be written: no space is left there.", hint="Free space on that disk."
        )
    return Permanent(
        f"{where} cannot be written: {said[-500:] or 'it did not say why'}.",
        hint="Check that the user of the deploy may write there.",
    )
