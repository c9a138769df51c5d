"""The bodies of the contract; each answer carries the fields of both variants, A and B."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Text = Annotated[str, Field(max_length=200)]
HealthWord = Literal["active", "inactive", "error", "healthy", "degraded", "unhealthy"]
Result = Literal["success", "queued", "error"]


class Health(BaseModel):
    """Whether the droplet works, and which release is answering."""

    status: HealthWord
    service: str
    droplet_id: int
    version: str
    timestamp: str
    uptime_seconds: float
    checks: dict[str, str]
    release: str
    build: str
    commit: str


class EndpointInfo(BaseModel):
    """One public endpoint."""

    path: str
    method: str
    description: str


class Capabilities(BaseModel):
    """What the droplet can do and where."""

    service_name: str
    droplet_id: int
    version: str
    udc_version: str
    capabilities: list[str]
    features: list[str]
    supported_operations: list[str]
    integration_endpoints: list[EndpointInfo]
    dependencies: list[str]
    metadata: dict[str, Any]


class State(BaseModel):
    """What the droplet is doing now."""

    state: Literal["active", "inactive", "error"]
    status: Literal["active", "inactive", "error"]
    mode: Literal["production", "development", "maintenance"]
    last_activity: str
    last_restart: str
    uptime_seconds: float
    requests_total: int
    requests_per_minute: int
    errors_last_hour: int
    cpu_percent: float
    memory_mb: float
    metrics: dict[str, float]
    resource_usage: dict[str, float]


class Peer(BaseModel):
    """One service this droplet talks to; `status` is connected, available or unavailable."""

    name: str
    type: str = "droplet"
    status: Literal["connected", "available", "unavailable"]
    host: str = ""
    impact: str = ""
    last_check: str | None = None


class Dependencies(BaseModel):
    """The services this droplet talks to, as both variants list them."""

    required: list[Peer]
    optional: list[Peer]
    missing: list[str]
    required_services: list[Peer]
    optional_services: list[Peer]
    external_apis: list[Peer]


MessageType = Literal[
    "task_assignment",
    "status_update",
    "query",
    "status",
    "event",
    "command",
    "response",
    "error",
    "heartbeat",
    "proof",
    "registry",
]


class MessageIn(BaseModel):
    """A message in variant A, variant B or the envelope of the numbered droplets."""

    model_config = ConfigDict(extra="ignore")

    message_type: MessageType
    payload: dict[str, Any] = Field(default_factory=dict)
    from_service: Text | None = None
    reply_to: Annotated[str, Field(max_length=2000)] | None = None
    trace_id: Text | None = None
    source: Text | int | None = None
    target: Text | int | None = None
    timestamp: Text | None = None
    signature: Annotated[str, Field(max_length=4000)] | None = None
    udc_version: Text | None = None

    @model_validator(mode="after")
    def _has_a_sender(self) -> "MessageIn":
        if self.from_service is None and self.source is None:
            raise ValueError("a message names its sender in from_service or source")
        return self

    @property
    def sender(self) -> str:
        """The name of the sending service."""
        return str(self.from_service if self.from_service is not None else self.source)


class MessageReply(BaseModel):
    """The answer to a message.

    `result` is an object for variant A and one of success, queued, error for variant B;
    the envelope's fields are there when the message came in an envelope.
    """

    received: bool = True
    message_id: str
    trace_id: str
    processed_at: str
    status: Literal["processing", "completed", "failed"]
    result: dict[str, Any] | Result
    udc_version: str | None = None
    source: str | None = None
    target: str | int | None = None
    message_type: str | None = None
    timestamp: str | None = None
    payload: dict[str, Any] | None = None


class MessageInfo(BaseModel):
    """How to use the message endpoint."""

    description: str
    method: Literal["POST"] = "POST"
    message_types: list[str]


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    details: dict[str, Any]
    request_id: str


class ErrorReply(BaseModel):
    """The body of every answer that is not a success."""

    error: ErrorDetail
    status: Literal["error"] = "error"


class Meta(BaseModel):
    """When and by which version of the interface an answer was made."""

    timestamp: str
    version: str
