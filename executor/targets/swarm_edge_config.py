"""What the edge proxy of a droplet in a swarm is told: HAProxy's configuration as text.

Docker's DNS names the tasks that the engine holds for healthy, and takes a task's name away before it ends
it; so health is the engine's business. The proxy itself only sees whether a task still takes connections: a
machine that has lost its power is noticed here after 2 s and by the swarm after 20. A slow answer of a busy
droplet is no reason to stop asking it.
"""

from __future__ import annotations

from executor.targets.edge_config import INSIDE_PORT, RELEASE_PORT

_CONFIG = """\
global
    maxconn 4000
    hard-stop-after 30s

defaults
    mode http
    option forwardfor
    # A connection that is kept to a task which is about to end can break under a request that must not be
    # sent twice; a new one is refused, and then goes elsewhere.
    option http-server-close
    option redispatch 1
    retries 3
    retry-on conn-failure empty-response
    # Without these an answer that a machine owed when it lost its power is waited for to the end.
    option srvtcpka
    srvtcpka-idle 1s
    srvtcpka-intvl 1s
    srvtcpka-cnt 3
    timeout connect 3s
    timeout http-request 15s
    timeout http-keep-alive 5s
    timeout client 75s
    timeout server 75s
    timeout tunnel 1h

resolvers engine
    nameserver dns 127.0.0.11:53
    # One answer has to hold the addresses of all tasks.
    accepted_payload_size 8192
    resolve_retries 3
    timeout resolve 1s
    timeout retry 1s
    hold valid 1s
    hold nx 2s
    hold obsolete 2s

frontend droplet
    bind :{inside}
    # What may have changed something is never asked a second time.
    http-request disable-l7-retry unless {{ method GET HEAD OPTIONS }}
    default_backend release

backend release
    balance leastconn
    default-server check inter 1s fall 2 rise 1 tcp-ut 3s
    server-template task 1-{most} {service}:{port} resolvers engine init-addr none
"""


def config_for_service(service: str, most: int) -> str:
    """Requests are spread over up to `most` tasks behind one name in Docker's DNS."""
    return _CONFIG.format(inside=INSIDE_PORT, port=RELEASE_PORT, service=service, most=most)
