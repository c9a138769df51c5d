"""What is promised and what is defended against, in the README's own words; the keys are the ledger's."""

from __future__ import annotations

PROMISES = {
    "R1": "kill -9 at any await loses nothing and repeats no keyed effect",
    "R2": "the same for a kill during the recovery from a kill",
    "R3": "an effect whose reply was lost is found again by its key, or refused if it is not ours",
    "R4": "a bad release never replaces a good one",
    "R5": "power loss loses no acknowledged transition",
    "R6": "a full disk pauses, reports nothing that is not on disk, goes on by itself",
    "R7": "of two daemons on one state directory the second refuses, naming the holder",
    "R8": "faults of the model API never lose a turn or run a tool twice",
    "R9": "SIGTERM: not ready at once, checkpoint, exit 0 within 10 s, sandboxes dead",
    "R10": "a slow reader costs bounded memory and delays nobody; a returning one misses nothing",
    "R11": "malformed requests: no 5xx, no hang, bounded memory, builds go on",
    "R12": "an older schema migrates in one transaction or not at all; a newer one is refused",
    "R13": "a corrupt database is detected, set aside, restored from the last backup",
    "R14": "clock jumps are harmless",
    "R15": "a thousand builds leave no zombie, container, descriptor or directory behind",
}

THREATS = {
    "sandbox escapes": "model-written code reaches keys, files, the network, the API",
    "resource bombs": "fork bomb, memory, endless loop, grandchildren, gigabytes of output, disk fill",
    "git as a weapon": "hooks, fsmonitor, filters, nested repositories",
    "file names": "parent, absolute, linked and swapped paths",
    "forged verdicts": "tests that are removed, weakened, forged or prove nothing",
    "squatted packages": "hallucinated or squatted dependencies",
    "cross-site requests": "a web page in the operator's browser attacks the API",
    "forged approvals": "tampered, replayed, stale, somebody else's",
    "secrets in logs, git and prompts": "keys and tokens in any place, in any encoding",
    "deploy host impersonated": "another machine answers; strings reach a shell",
    "hostile Dockerfile": "a droplet's image asks for more than it may have",
    "SSRF": "health, webhook and reply addresses that lead inside",
    "stored XSS": "model output in the operator's page",
    "money": "a model that never finishes",
}
