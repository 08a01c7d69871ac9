"""`python -m training` makes the weights of `fte/domain/hunch.py` anew, and says how well such weights do.

How well: the messages are dealt into five parts, and each part is judged by weights made of the other four.
"""

import argparse
from array import array
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fte.domain import hunch as module
from fte.domain.escalation import HUNCH_MIN, REASONS, reasons, sentences_of
from fte.domain.hunch import PIECES, Weights, pieces
from training.messages import NOBODY, PROBE, Message, fingerprint, messages

EPOCHS: Final = 20
RATE: Final = 0.5
DECAY: Final = 1e-5
PARTS: Final = 5


def fit(
    samples: Sequence[NDArray[np.int64]], classes: Sequence[int], count: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights (pieces x classes) and biases of a softmax regression, by stochastic gradients with adaptive rates
    (Duchi, Hazan, Singer 2011). A sample is the numbers of its pieces, of length one together."""
    order = np.random.default_rng(1)
    weights = np.zeros((PIECES, count), np.float32)
    squares = np.full((PIECES, count), 1e-2, np.float32)
    biases = np.zeros(count, np.float32)
    for _ in range(EPOCHS):
        for at in order.permutation(len(samples)):
            sample, value = samples[at], 1 / np.sqrt(len(samples[at]))
            here = weights[sample]
            scores = here.sum(0) * value + biases
            wrong = np.exp(scores - scores.max())
            wrong /= wrong.sum()
            wrong[classes[at]] -= 1
            slope = wrong * value + DECAY * here
            squares[sample] += slope * slope
            weights[sample] = here - RATE * slope / np.sqrt(squares[sample])
            biases -= 0.01 * wrong
    return weights, biases


def weights_of(given: list[Message]) -> Weights:
    """What the messages teach. Each sentence of a message that needs nobody needs nobody either."""
    needy = [message for message in given if message.reason != NOBODY]
    calm = [message.text for message in given if message.reason == NOBODY]
    calm += [part for text in calm if len(parts := sentences_of(text, "webform")) > 1 for part in parts]
    samples = [_sample(text) for text in (*(message.text for message in needy), *calm)]
    whether, bias = fit(samples, [1] * len(needy) + [0] * len(calm), 2)
    names = tuple(sorted({message.reason for message in needy}, key=REASONS.index))
    which, biases = fit(samples[: len(needy)], [names.index(message.reason) for message in needy], len(names))
    columns = [whether[:, 1] - whether[:, 0], *which.T]
    scales = [float(np.abs(column).max()) for column in columns]
    return Weights(
        names,
        tuple(scales),
        (float(bias[1] - bias[0]), *map(float, biases)),
        tuple(
            array("b", np.rint(column / scale * 127).astype(np.int8).tobytes())
            for column, scale in zip(columns, scales, strict=True)
        ),
        fingerprint(given, pieces(PROBE)),
    )


def _sample(text: str) -> NDArray[np.int64]:
    return np.array(
        sorted(frozenset().union(*map(pieces, sentences_of(text, "webform"))) or pieces("-- ")), np.int64
    )


def judged(given: list[Message]) -> list[tuple[Message, str, float]]:
    """Each message with the hunch that weights made of the other parts have about it."""
    found = []
    for part in range(PARTS):
        weights = weights_of([message for at, message in enumerate(given) if at % PARTS != part])
        found += [
            (message, *module.hunch(sentences_of(message.text, "webform"), weights))
            for message in given[part::PARTS]
        ]
    return found


def report(found: Sequence[tuple[Message, str, float]]) -> str:
    """Shares of 1, of the messages in which no rule finds a reason."""
    unruled = [one for one in found if not reasons(one[0].text, "webform", 1.0)]
    needy = [one for one in unruled if one[0].reason != NOBODY]
    calm = [one for one in unruled if one[0].reason == NOBODY]
    lines = [
        f"{len(found)} messages; the rules find nothing in {len(needy)} that need a person and {len(calm)} that do not."
    ]
    for least in (0.5, 0.6, 0.7, 0.8, 0.9, 0.95):
        lines.append(
            f"{least:4} sure: {_share(needy, least)} of these handed over, {_share(calm, least)} of those"
        )
    for language in sorted({message.language for message, *_ in found}):
        here, there = ([one for one in part if one[0].language == language] for part in (needy, calm))
        lines.append(f"{language}: {_share(here)} of {len(here)}, {_share(there)} of {len(there)}")
    for reason in REASONS:
        if here := [one for one in needy if one[0].reason == reason]:
            named = sum(guess == reason for _, guess, sure in here if sure >= HUNCH_MIN)
            lines.append(f"{reason}: {_share(here)} of {len(here)}, {named} of them for this reason")
    return "\n".join(lines)


def _share(found: Sequence[tuple[Message, str, float]], least: float = HUNCH_MIN) -> str:
    return f"{sum(sure >= least for *_, sure in found) / max(1, len(found)):.3f}"


def main() -> None:
    asked = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    asked.add_argument(
        "--report", action="store_true", help="judge each message by weights made of others; save nothing"
    )
    given = messages()
    if asked.parse_args().report:
        print(report(judged(given)))
    else:
        module.save(weights_of(given))
        print(f"{len(given)} messages read.")


if __name__ == "__main__":
    main()
