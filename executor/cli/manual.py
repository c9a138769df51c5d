"""The end of every verb's --help: examples to copy, what else to know, and the exit codes it can have."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from typer.core import TyperCommand

from executor.cli import exits

_WIDTH = 78
_LINK = (exits.OK, exits.USAGE, exits.AUTH, exits.CONFLICT, exits.UNREACHABLE)
_ENDS = (exits.OK, exits.FAILED, exits.USAGE, exits.STOPPED, exits.AUTH, exits.CONFLICT, exits.UNREACHABLE)
_FOLLOWS = (*_ENDS, exits.WAITING, exits.DETACHED)


@dataclass(frozen=True, slots=True)
class Entry:
    """One verb's page: lines to copy with what each does, sentences to know, exit codes."""

    examples: Sequence[tuple[str, str]]
    codes: Sequence[int] = _LINK
    notes: Sequence[str] = ()


_BEGIN = """\
To begin:
  fpai doctor                      # is everything there?
  fpai serve                       # the daemon, in a terminal of its own
  fpai build "Build a Library Droplet that stores books"
Every verb but serve takes --json; stdout is data, stderr is progress. More: fpai VERB --help"""
_EACH_BUILD = "BUILD is an id, any unique beginning of one, or @last for the newest; Tab completes it."
ENTRIES: Mapping[str, Entry] = {
    "build": Entry(
        (
            ('fpai build "Build a Library Droplet that stores books"', "and follow it"),
            ('fpai build "…" --mode checkpoints --notify slack', "ask at two gates"),
            ('fpai build "…" --auto-approve --budget 5 --detach', "hands off; prints its id"),
            ('fpai build "…" --dry-run', "the SPEC and the plan only"),
        ),
        _FOLLOWS,
        (
            "CHANNEL is slack, email, or any NAME of a [notify.NAME] table in executor.toml.",
            "Naming a droplet of yours (--droplet-id or --name) builds a new release of it.",
        ),
    ),
    "watch": Entry(
        (
            ("fpai watch", "the newest build"),
            ("fpai watch build-13-library --timeout 600", "give up after ten minutes"),
            ("fpai watch @last --json | jq .message", "its events, one JSON document a line"),
        ),
        (*_FOLLOWS, exits.TIMED_OUT),
        (
            "Ctrl-C leaves the build running. A daemon that restarts is waited for; no event is lost.",
            _EACH_BUILD,
        ),
    ),
    "status": Entry((("fpai status", "the newest build"), ("fpai status @last --json | jq .status", ""))),
    "logs": Entry(
        (
            ("fpai logs @last --tail 50 --follow", "the end, and what comes"),
            ("fpai logs @last --level error", "only what went wrong"),
            ('fpai logs @last --search "ImportError" --step 4', ""),
        )
    ),
    "list": Entry(
        (("fpai list --status waiting_approval", ""), ("fpai list --json | jq -r '.[].build_id'", ""))
    ),
    "droplets": Entry((("fpai droplets", "what is live, where, and its releases"),)),
    "spec": Entry(
        (("fpai spec @last", ""), ("fpai spec @last --version 2 --against 1", "what changed")),
    ),
    "diff": Entry(
        (
            ("fpai diff @last", "everything"),
            ("fpai diff @last --list", "after which rounds there is one"),
            ("fpai diff @last --iteration 2 > round-2.patch", ""),
        ),
        notes=("On a terminal it is coloured and shown with $PAGER, else less.",),
    ),
    "report": Entry((("fpai report @last", ""), ("fpai report @last --json", ""))),
    "cost": Entry((("fpai cost", "all builds"), ("fpai cost @last", "one build, turn by turn"))),
    "open": Entry((("fpai open", "the newest build"), ("fpai open build-13-library", ""))),
    "approve": Entry(
        (
            ("fpai approve", "the only build that waits"),
            ("fpai approve @last --checkpoint built --yes", "only at that gate, unasked"),
        ),
        (*_LINK, exits.WAITING, exits.DETACHED),
        ("A gate that was decided or replaced meanwhile is refused (5).",),
    ),
    "reject": Entry(
        (("fpai reject @last --feedback 'wrong idea'", ""),),
        notes=("At spec_generated and built the build ends; at deployed its release is rolled back.",),
    ),
    "revise": Entry(
        (('fpai revise @last --feedback "prices in cents"', ""),),
        notes=(
            "At spec_generated the SPEC is written again, at built the code; at deployed a new build starts.",
        ),
    ),
    "answer": Entry(
        (
            ("fpai answer @last", "asks, on a terminal"),
            ('fpai answer @last go_on="round half up"', "by the question's id"),
        ),
        (*_LINK, exits.DETACHED),
    ),
    "budget": Entry(
        (("fpai budget @last 5", "five dollars more"),),
        notes=("A build that waits for them goes on by itself.",),
    ),
    "cancel": Entry((("fpai cancel @last", ""),)),
    "retry": Entry((("fpai retry @last", "from the failed step"), ("fpai retry @last --from 4", ""))),
    "rollback": Entry(
        (("fpai rollback @last", "to the release before"), ("fpai rollback @last --to RELEASE", "")),
        notes=("`fpai droplets --json` names the releases that are kept.",),
    ),
    "serve": Entry(
        (("fpai serve", ""), ("fpai serve --config /etc/fpai/executor.toml", "")),
        (
            exits.OK,
            exits.PORT_TAKEN,
            exits.STATE_NOT_WRITABLE,
            exits.DAMAGED,
            exits.HELD,
            exits.CONFIGURATION,
        ),
        ("SIGTERM or Ctrl-C: every build is checkpointed and goes on at the next start.",),
    ),
    "doctor": Entry(
        (("fpai doctor", ""), ("fpai doctor --deep", "before a long run, or when something is odd")),
        (exits.OK, exits.FAILED),
        ("--deep costs nothing: the database is copied and checked, services are only asked.",),
    ),
    "init": Entry(
        (("fpai init", "an executor.toml here"), ("sudo fpai init --systemd", "a service of this machine")),
        (exits.OK, exits.USAGE, exits.CONFLICT, exits.STATE_NOT_WRITABLE),
    ),
    "backup": Entry(
        (("fpai backup", "a file here, named by the time"), ("fpai backup /mnt/backups", "")),
        (exits.OK, exits.CONFLICT, exits.STATE_NOT_WRITABLE, exits.DAMAGED, exits.CONFIGURATION),
    ),
    "restore": Entry(
        (("systemctl stop fpai && fpai restore FILE && systemctl start fpai", ""),),
        (
            exits.OK,
            exits.USAGE,
            exits.STOPPED,
            exits.CONFLICT,
            exits.STATE_NOT_WRITABLE,
            exits.HELD,
            exits.CONFIGURATION,
        ),
    ),
    "completion": Entry(
        (
            ("fpai --install-completion", "into the shell that you use"),
            ("eval \"$(fpai completion bash)\"", "this bash only"),
            ("fpai completion zsh > ~/.zfunc/_fpai", "where zsh looks for them"),
            ("fpai completion fish > ~/.config/fish/completions/fpai.fish", ""),
        ),
        (exits.OK, exits.USAGE),
        ("Verbs, options and their words, @last and the ids of builds are completed.",),
    ),
    "config show": Entry(
        (("fpai config show", "TOML again"), ("fpai config show --json | jq .settings.builds", "")),
        (exits.OK, exits.CONFIGURATION),
    ),
    "config check": Entry(
        (("fpai config check && systemctl restart fpai", ""),), (exits.OK, exits.CONFIGURATION)
    ),
    "version": Entry((("fpai version", ""),), (exits.OK,)),
}  # fmt: skip


class Verb(TyperCommand):
    """A verb whose help names no type beside a flag, which takes none."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, as typer shows and reads them."""
        found: list[Any] = super().get_params(ctx)
        for parameter in found:
            if getattr(parameter, "is_flag", False):
                parameter.metavar = ""
        return found


def epilog(verb: str) -> str:
    """The page's end as typer prints it: examples, notes and exit codes, none wider than 78 columns."""
    entry = ENTRIES[verb]
    examples = "\n".join(["Examples:", *_examples(entry.examples)])
    parts = [examples, *entry.notes, _exit_codes(entry.codes)]
    return "\n\n".join(_escaped(part) for part in parts)


def root() -> str:
    """The end of `fpai --help`: how to begin, and every exit code."""
    return "\n\n".join((_BEGIN, _exit_codes(exits.MEANINGS)))


def _exit_codes(codes: Iterable[int]) -> str:
    return "\n".join(["Exit codes:", *(f"  {code:<4} {exits.MEANINGS[code]}" for code in sorted(set(codes)))])


def summary(text: str) -> str:
    """A docstring with each paragraph on one line: typer keeps the source's line breaks, whatever fits."""
    return _escaped("\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n")))


def _examples(examples: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Commands with what they do beside them where all of it fits, else above them, as in a shell script."""
    width = max(len(command) for command, _ in examples)
    beside = all(width + len(what) + 5 <= _WIDTH for _, what in examples)
    for command, what in examples:
        if beside:
            yield f"  {command:<{width}}  {f'# {what}' if what else ''}".rstrip()
        else:
            yield from ([f"  # {what}"] if what else [])
            yield f"  {command}"


def _escaped(text: str) -> str:
    """Rich reads what stands in square brackets as markup."""
    return text.replace("[", "\\[")
