"""What the edge proxy of one droplet is told: HAProxy's configuration as text.

HAProxy was chosen because a reload hands its listening sockets over, so that no connection is refused; it
follows a service's name in Docker's DNS by itself (one edge for one machine and for a swarm alike); and it
tries a request again elsewhere when a server goes away before it has answered.
"""

from __future__ import annotations

INSIDE_PORT = 8080
"""The port inside the edge's container."""

RELEASE_PORT = 8000
"""The port on which every containered release listens."""

_COMMON = f"""\
global
    maxconn 4000
    hard-stop-after 30s
    stats socket /tmp/haproxy.sock mode 600 level user expose-fd listeners

defaults
    mode http
    option forwardfor
    option idle-close-on-response
    option http-server-close
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    timeout connect 3s
    timeout http-request 15s
    timeout http-keep-alive 5s
    timeout client 75s
    timeout server 75s
    timeout tunnel 1h

resolvers engine
    nameserver dns 127.0.0.11:53
    resolve_retries 3
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
    hold nx 2s
    hold obsolete 2s

frontend droplet
    bind :{INSIDE_PORT}
    # What may have changed something is never asked a second time.
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
    default_backend release
"""


def config_for(container: str) -> str:
    """All requests go to this container."""
    return f"{_COMMON}\nbackend release\n    server live {_address(container)}\n"


def config_on_trial(container: str, earlier: str) -> str:
    """Requests go to this container, and to the earlier one as soon as it takes no connection any more."""
    watched = "check inter 500ms fall 1 rise 3 observe layer4 error-limit 1 on-error mark-down"
    return (
        f"{_COMMON}\nbackend release\n    server live {_address(container)} {watched}\n"
        f"    server earlier {_address(earlier)} backup\n"
    )


def _address(container: str) -> str:
    return f"{container}:{RELEASE_PORT} resolvers engine init-addr last,libc,none"


def served_by(config: str) -> str | None:
    """The container that a configuration made here names, None for any other text."""
    for line in config.splitlines():
        match line.split():
            case ["server", "live", address, *_]:
                return address.partition(":")[0]
    return None
