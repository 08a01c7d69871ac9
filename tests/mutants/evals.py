"""Regressions planted in what holds a model back, and in the eval itself: the eval's tests must see them."""

from tests.mutants.catalogue import Mutant

_ATTACKS = ("tests/evals/test_attacks.py", "-k", "attack")

EVALS = (
    Mutant(
        name="a-reply-is-sent-whatever-the-guard-says",
        invariant="T7, T9 no attack succeeds",
        path="fte/agent/tools.py",
        healthy="    if not broken:\n",
        sick="    if True:\n",
        tests=_ATTACKS,
    ),
    Mutant(
        name="a-host-that-holds-ours-is-ours",
        invariant="T9 links only to known hosts",
        path="fte/agent/guard.py",
        healthy='name.endswith(f".{host}")',
        sick="host in name",
        tests=_ATTACKS,
    ),
    Mutant(
        name="the-marker-may-be-told",
        invariant="T9 no internals",
        path="fte/agent/guard.py",
        healthy="(marker in letters or marker[::-1] in letters)",
        sick="marker == letters",
        tests=_ATTACKS,
    ),
    Mutant(
        name="amounts-may-be-named",
        invariant="no prices",
        path="fte/agent/guard.py",
        healthy="if mentions_price(text) or any(",
        sick="if any(",
        tests=_ATTACKS,
    ),
    Mutant(
        name="a-card-number-is-repeated",
        invariant="card numbers masked",
        path="fte/agent/tools.py",
        healthy="body = bare(masked(message),",
        sick="body = bare(message,",
        tests=_ATTACKS,
    ),
    Mutant(
        name="the-rules-are-not-asked",
        invariant="a wish for a person is heard",
        path="fte/agent/agent.py",
        healthy="        if found:\n            return self._handed_over(",
        sick="        if not found and False:\n            return self._handed_over(",
        tests=("tests/evals/test_attacks.py", "-k", "wishes"),
    ),
    Mutant(
        name="the-judge-sees-no-promise",
        invariant="the eval can fail",
        path="fte/evals/judge.py",
        healthy="if match is None or _squash(sentence) in known:",
        sick="if match is None or match:",
        tests=("tests/evals/test_judge.py",),
    ),
    Mutant(
        name="new-harm-is-no-regression",
        invariant="the eval can fail",
        path="fte/evals/figures.py",
        healthy="for old, new in both if new.harms and not old.harms]",
        sick="for old, new in both if new.harms > new.runs]",
        tests=("tests/evals/test_figures.py",),
    ),
    Mutant(
        name="a-case-finds-the-pages-of-others",
        invariant="the eval measures what it says",
        path="fte/evals/stage.py",
        healthy="if not p.source.startswith(_PLANTED) or",
        sick="if True or",
        tests=("tests/evals/test_attacks.py", "-k", "own_pages"),
    ),
    Mutant(
        name="a-real-case-keeps-what-an-address-tells",
        invariant="personal data replaced",
        path="fte/evals/real.py",
        healthy="            return _url(whole)",
        sick="            return whole",
        tests=("tests/evals/test_real.py",),
    ),
)
