"""What makes a secret unfit to guard the operator API (contract section 4: fail closed, say so at start)."""

import re

DEVELOPMENT_SECRET = "onlycare-development-secret"
"""Opens `/api` of a server started with `--dev`, which listens on loopback only; refused everywhere else."""

SHORTEST_SECRET = 16
"""Characters at the least."""

_WELL_KNOWN_WORDS = re.compile(
    r"(your|my|the|a|an|api|app|super|laravel|internal|shared|top|very|default|example|sample|dummy|test|dev|development"
    r"|onlycare|socket|websocket|server|secret|key|token|password|change|replace|fill|set|put|enter|place|holder"
    r"|production|me|it|in|this|here|please|long|random|string|value|admin|root|qwerty|letmein)+"
)
_MANY_DIGITS = 12
_FEW_CHARACTERS = 5


def secret_problem(secret: str) -> str | None:
    """Says what is wrong with one secret (short, well known, not sendable in an HTTP header), or None."""
    if len(secret) < SHORTEST_SECRET:
        return f"is shorter than {SHORTEST_SECRET} characters"
    if not secret.isascii() or not secret.isprintable():
        return "has characters that an HTTP header cannot carry"
    if secret == DEVELOPMENT_SECRET or _is_well_known(secret):
        return "is a well-known default"
    return None


def _is_well_known(secret: str) -> bool:
    """True of a placeholder: one made of everyday words and a few digits, or of very few characters."""
    if len(set(secret)) < _FEW_CHARACTERS:
        return True
    letters = "".join(filter(str.isalpha, secret.lower()))
    digits = sum(map(str.isdigit, secret))
    return digits < _MANY_DIGITS and _WELL_KNOWN_WORDS.fullmatch(letters) is not None
