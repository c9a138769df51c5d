"""fp-tools as a behaving program: prints and writes what the real one does, and misbehaves on request."""

from __future__ import annotations

from pathlib import Path

_PROGRAM = '''#!{python}
"""A stand-in for fp-tools spec; its exit code is 0 also for errors."""
import argparse, datetime, os, pathlib, sys, time
mode = {mode!r}
if mode == "lacks_library":
    import no_such_library_for_fp_tools
parser = argparse.ArgumentParser(prog="fp-tools")
command = parser.add_subparsers(dest="command", required=True).add_parser("spec")
command.add_argument("--droplet-id", type=int)
command.add_argument("--intent")
command.add_argument("--output-dir")
args = parser.parse_args()
if mode == "hangs":
    if os.fork() == 0:
        os.setsid()
        pathlib.Path({pid_file!r}).write_text(str(os.getpid()))
    time.sleep(600)
if mode == "says_environment":
    pathlib.Path({pid_file!r}).write_text(repr(dict(os.environ)))
if not args.droplet_id or not args.intent or mode == "error":
    print("\\u274c Error: Provide --droplet-id and --intent to generate SPEC")
    print("   Or use --list to see available templates")
    sys.exit(0)
print(f"\\U0001f4dd Generating SPEC for Droplet #{{args.droplet_id}}...")
day = datetime.datetime.now(datetime.timezone.utc).date()
path = pathlib.Path(args.output_dir) / f"SPEC_Droplet_{{args.droplet_id}}_Custom_{{day}}.md"
if mode == "elsewhere":
    path = pathlib.Path({pid_file!r})
if mode != "no_file":
    path.write_text("" if mode == "empty" else f"""# SPEC: Droplet #{{args.droplet_id}}

**Version:** 1.0

## 0. Architect Intent

{{args.intent}}

## 1. Overview

[Describe what this droplet does]

## 2. Key Features

- [Feature 1]

## 3. Technical Stack

- FastAPI
- Docker

## 5. Integration Requirements

- Register with Registry on startup

## 7. Prompts

Build {{{{droplet_name}}}} now
""")
if mode == "link":
    path.unlink()
    path.symlink_to("/etc/hostname")
print(f"\\u2705 SPEC generated: {{path}}")
'''


def write_fp_tools(directory: Path, python: str, mode: str = "works") -> Path:
    """Write the program; `mode` is works, error, no_file, empty, elsewhere, link, hangs, lacks_library or
    says_environment. What it tells about itself is in the file `told` beside it.
    """
    path = directory / "fp-tools"
    path.write_text(_PROGRAM.format(python=python, mode=mode, pid_file=str(directory / "told")))
    path.chmod(0o755)
    return path
