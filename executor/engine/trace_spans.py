"""The spans of what has ended: an attempt with its model calls, tools and effects, or a build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from executor.domain.build import STEP_NAMES
from executor.domain.spans import Ids, Kind, Span, SpanEvent, Value, present
from executor.store.traces import Ended, Row

_FAILED = {"failed", "retry"}
_LONGEST_TEXT = 500
_CUT_OFF = "The executor stopped, or the step did, before it was over."


class SpanWriter:
    """`salt` makes the ids this state directory's own; every text passes `redact`."""

    def __init__(self, salt: bytes, redact: Callable[[str], str]) -> None:
        self._salt = salt
        self._redact = redact

    def ids(self, build_id: str) -> Ids:
        """The ids of a build's trace."""
        return Ids(self._salt, build_id)

    def spans(self, ended: Ended) -> Iterator[Span]:
        """What ended, then what belongs to it."""
        ids = self.ids(ended.build["id"])
        whole = self._build(ended, ids) if ended.run is None else self._attempt(ended, ended.run, ids)
        parts = (
            *(self._turn(turn, ended, ids, whole.span_id) for turn in ended.turns),
            *(self._tool(call, ended, ids, whole.span_id) for call in ended.calls),
            *(self._effect(effect, ended, ids, whole.span_id) for effect in ended.effects),
        )
        for span in (whole, *parts):
            yield replace(span, name=self._text(span.name))

    def _build(self, ended: Ended, ids: Ids) -> Span:
        """The root of the trace; a later end, of a build that was retried or taken back, is a child of it."""
        build, again = ended.build, len(ended.ends)
        name = f"build {build['droplet_name']}"
        return Span(
            name=f"{name} again" if again else name,
            span_id=ids.span("end", again) if again else ids.span("build"),
            parent_id=ids.span("build") if again else "",
            kind=Kind.INTERNAL,
            start=ended.ends[-1] if again else build["created_at"],
            end=ended.at,
            attributes=self._said(
                {
                    "fpai.build.id": build["id"],
                    "fpai.build.outcome": ended.outcome,
                    "fpai.build.intent": build["intent"],
                    "fpai.build.target": build["target"],
                    "fpai.build.approval_mode": build["approval_mode"],
                    "fpai.build.provider": build["provider"],
                    "fpai.build.repairs": build["repairs"],
                    "fpai.droplet.id": build["droplet_id"],
                    "fpai.droplet.name": build["droplet_name"],
                    "fpai.cost.usd": build["usd"],
                    "fpai.tokens": build["tokens"],
                }
            ),
            error=self._text(build["error"] or "") if ended.outcome == "failed" else None,
        )

    def _attempt(self, ended: Ended, run: Row, ids: Ids) -> Span:
        begun = [e["at"] for e in ended.events if e["event_type"] in {"step_started", "rollback_started"}]
        name = STEP_NAMES[run["step"] - 1]
        failed = ended.outcome in _FAILED
        return Span(
            name=f"step {run['step']} {name}",
            span_id=ids.span("run", run["id"], run["at"]),
            parent_id=ids.span("build"),
            kind=Kind.INTERNAL,
            start=min([*begun[:1], run["at"] - run["seconds"]]),
            end=run["at"],
            attributes=self._said(
                {
                    "fpai.build.id": ended.build["id"],
                    "fpai.step.number": run["step"],
                    "fpai.step.name": name,
                    "fpai.step.attempt": run["attempt"],
                    "fpai.step.outcome": run["ended"],
                    "fpai.step.working_seconds": run["seconds"],
                }
            ),
            events=tuple(
                SpanEvent(e["event_type"], e["at"], self._said({"message": e["message"]}))
                for e in ended.events
            ),
            error=self._text(ended.events[-1]["message"] if ended.events else "") if failed else None,
        )

    def _turn(self, turn: Row, ended: Ended, ids: Ids, parent: str) -> Span:
        """By the semantic conventions for generative AI: input tokens are all, also the cached ones."""
        prompt = sum(turn[f"{kind}_tokens"] for kind in ("input", "cache_read", "cache_write"))
        is_over = turn["state"] in {"answered", "failed"}
        error = None if turn["state"] == "answered" else self._text(turn["error"] or _CUT_OFF)
        return Span(
            name=f"chat {turn['model']}",
            span_id=ids.span("turn", turn["number"]),
            parent_id=parent,
            kind=Kind.CLIENT,
            start=turn["asked_at"],
            end=turn["ended_at"] if is_over else ended.at,
            attributes=self._said(
                {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.provider.name": "anthropic",
                    "gen_ai.request.model": turn["model"],
                    "gen_ai.conversation.id": f"{ended.build['id']}/{turn['conversation']}",
                    "gen_ai.response.id": turn["message_id"],
                    "gen_ai.response.finish_reasons": (turn["stop_reason"],) if turn["stop_reason"] else None,
                    "gen_ai.usage.input_tokens": prompt,
                    "gen_ai.usage.output_tokens": turn["output_tokens"],
                    "gen_ai.usage.cache_read.input_tokens": turn["cache_read_tokens"],
                    "gen_ai.usage.cache_creation.input_tokens": turn["cache_write_tokens"],
                    "fpai.turn": turn["number"],
                    "fpai.cost.usd": turn["usd"],
                    "error.type": None if turn["state"] == "answered" else turn["state"],
                }
            ),
            error=error,
        )

    def _tool(self, call: Row, ended: Ended, ids: Ids, parent: str) -> Span:
        is_over = call["finished_at"] is not None
        error = "The model was told of an error." if call["is_error"] else None
        return Span(
            name=f"execute_tool {call['name']}",
            span_id=ids.span("tool", call["turn"], call["position"]),
            parent_id=parent,
            kind=Kind.INTERNAL,
            start=call["started_at"],
            end=call["finished_at"] if is_over else ended.at,
            attributes=self._said(
                {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": call["name"],
                    "gen_ai.tool.call.id": call["call_id"],
                    "fpai.turn": call["turn"],
                }
            ),
            error=error if is_over else _CUT_OFF,
        )

    def _effect(self, effect: Row, ended: Ended, ids: Ids, parent: str) -> Span:
        is_known = effect["done_at"] is not None
        key = effect["key"].removeprefix(f"{ended.build['id']}/")
        return Span(
            name=f"effect {key.partition('/')[0]}",
            span_id=ids.span("effect", effect["key"]),
            parent_id=parent,
            kind=Kind.CLIENT,
            start=effect["begun_at"],
            end=effect["done_at"] if is_known else ended.at,
            attributes=self._said({"fpai.effect.key": key}),
            error=None if is_known else "Nobody knows yet whether it happened.",
        )

    def _said(self, attributes: dict[str, object]) -> dict[str, Value]:
        texts = {name: self._text(v) if isinstance(v, str) else v for name, v in attributes.items()}
        return present(texts)

    def _text(self, text: str) -> str:
        return self._redact(text)[:_LONGEST_TEXT]
