"""Points of a SPEC by the rules of the ecosystem's spec-verifier (ecosystem.md section 7)."""

from __future__ import annotations

from executor.domain.spec import SpecScore
from executor.domain.spec_form import UDC_PATHS, SpecForm, read_form

REQUIRED_SECTIONS = ("Purpose", "Capabilities", "UDC Endpoints", "Dependencies")
BONUS_SECTIONS = ("Business Logic Endpoints", "Optimization Opportunities", "Tech Stack", "Example Usage")
READY_TO_BUILD = 75.0
ENOUGH = 50


def score_spec(markdown: str) -> SpecScore:
    """Score a SPEC: 0.40 completeness + 0.30 clarity + 0.20 UDC + 0.10 build readiness, each 0 to 100.

    The parts are whole numbers, cut and not rounded, as the verifier's are; overall has two decimals.
    """
    form = read_form(markdown)
    completeness, clarity = _completeness(form), _clarity(form)
    udc, readiness = _udc(form), _build_readiness(form)
    return SpecScore(
        completeness=completeness,
        clarity=clarity,
        udc_compliance=udc,
        build_readiness=readiness,
        overall=round(0.40 * completeness + 0.30 * clarity + 0.20 * udc + 0.10 * readiness, 2),
        errors=tuple(_errors(form)),
        recommendations=tuple(_recommendations(form)),
    )


def _completeness(form: SpecForm) -> int:
    required = sum(form.size(title) >= ENOUGH for title in REQUIRED_SECTIONS)
    bonus = sum(form.size(title) >= ENOUGH for title in BONUS_SECTIONS)
    return int(85 * required / len(REQUIRED_SECTIONS) + 15 * bonus / len(BONUS_SECTIONS))


def _clarity(form: SpecForm) -> int:
    named = sum(label in form.metadata for label in ("Service Name", "Port", "Version"))
    purpose, capabilities = form.size("Purpose"), form.size("Capabilities", "Core Capabilities")
    return int(
        10 * named
        + _tier(purpose, (100, 30), (50, 15))
        + _tier(capabilities, (200, 20), (100, 10))
        + (20 if _has_code(form) else 0)
    )


def _udc(form: SpecForm) -> int:
    return int(100 * sum(path in form.endpoints for path in UDC_PATHS) / len(UDC_PATHS))


def _build_readiness(form: SpecForm) -> int:
    return (
        (30 if form.dependencies else 0)
        + _tier(form.size("Tech Stack"), (ENOUGH, 20))
        + _tier(form.size("File Structure"), (ENOUGH, 20))
        + _tier(form.size("Business Logic Endpoints"), (100, 15))
        + _tier(form.size("Example Usage"), (ENOUGH, 15))
    )


def _tier(size: int, *tiers: tuple[int, int]) -> int:
    """Points of the first tier (characters, points) that the size reaches."""
    return next((points for least, points in tiers if size >= least), 0)


def _has_code(form: SpecForm) -> bool:
    return any(fence in body for body in form.sections.values() for fence in ("```json", "```python"))


def _errors(form: SpecForm) -> list[str]:
    missing = [label for label in ("Service Name", "Port") if label not in form.metadata]
    errors = [f"The first 20 lines name no {label} (write **{label}:** VALUE)." for label in missing]
    errors += [f"UDC endpoint {path} is not documented." for path in UDC_PATHS if path not in form.endpoints]
    if form.size("Purpose") < ENOUGH:
        errors.append(f"Purpose has {form.size('Purpose')} characters; {ENOUGH} are the least.")
    return errors


def _recommendations(form: SpecForm) -> list[str]:
    thin = [title for title in (*REQUIRED_SECTIONS, *BONUS_SECTIONS) if form.size(title) < ENOUGH]
    advice = [f"Write the section {title} ({ENOUGH} characters or more)." for title in thin]
    if "Version" not in form.metadata:
        advice.append("Name the version in the first 20 lines.")
    if form.size("File Structure") < ENOUGH:
        advice.append("Show the repository under File Structure.")
    if not form.dependencies:
        advice.append("List dependencies as bullets with a bold name under Required and Optional.")
    if not _has_code(form):
        advice.append("Show a request or an answer in a json code block.")
    return advice
