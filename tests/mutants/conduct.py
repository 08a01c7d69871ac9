"""Seeded bugs of the agent's conduct: what must hold whatever a model says."""

from tests.mutants.catalogue import Mutant

CONDUCT = (
    Mutant(
        name="look-alikes-are-handed-over",
        invariant="ordinary questions are answered, not handed over",
        path="fte/domain/escalation.py",
        healthy='masked = without("not", corrected(fold(original)))',
        sick="masked = corrected(fold(original))",
        tests=("tests/domain/test_languages.py", "-k", "understood"),
    ),
    Mutant(
        name="only-english-asks-for-a-person",
        invariant="who must speak to a person does, in their language",
        path="fte/domain/languages.py",
        healthy="    return any(language.phrases(kind).found_in(folded) for language in languages())",
        sick="    return languages()[0].phrases(kind).found_in(folded)",
        tests=("tests/domain/test_languages.py", "-k", "understood"),
    ),
    Mutant(
        name="only-what-is-spelled-right-counts",
        invariant="who must speak to a person does, however they spell",
        path="fte/domain/escalation.py",
        healthy='without("not", corrected(fold(original)))',
        sick='without("not", fold(original))',
        tests=("tests/domain/test_languages.py", "-k", "understood"),
    ),
    Mutant(
        name="the-end-of-a-long-mail-is-not-read",
        invariant="who must speak to a person does, wherever they say so",
        path="fte/domain/escalation.py",
        healthy='text = f"{text[: _TEXT_MAX // 2]}\\n{text[-_TEXT_MAX // 2 :]}"',
        sick="text = text[:_TEXT_MAX]",
        tests=("tests/domain/test_languages.py", "-k", "long_mail"),
    ),
    Mutant(
        name="asked-for-ever",
        invariant="the same question a third time goes to a person",
        path="fte/agent/agent.py",
        healthy="if escalation.asked_again(run.assignment.lines):",
        sick="if False:",
        tests=("tests/agent/test_agent.py", "-k", "third_time"),
    ),
)
