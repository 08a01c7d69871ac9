"""The benchmarks run: each with tiny counts, so that none rots. Nothing here looks at a time."""

import importlib

import pytest

from benchmarks import __main__ as runner
from benchmarks.measure import Figure, quantile, steady_rate


def figure(**changes: object) -> Figure:
    values = {"name": "x", "ours": 50.0, "floor": 100.0, "unit": "u", "bound": "at least", "target": 0.6}
    return Figure(**(values | changes))  # type: ignore[arg-type]


def test_a_target_with_a_floor_is_a_ratio() -> None:
    assert figure().ratio == 0.5
    assert not figure().met
    assert figure(ours=60.0).met
    assert figure(bound="at most").met


def test_a_target_without_a_floor_is_the_number_itself() -> None:
    assert figure(floor=None).ratio is None
    assert figure(floor=None).met
    assert not figure(floor=None, bound="at most", target=49.0).met


def test_a_row_names_ours_floor_ratio_target_and_verdict() -> None:
    assert runner.row(figure()).split() == ["x", "50", "100", "u", "0.50", "≥", "0.6", "×", "floor", "MISSED"]
    assert runner.row(figure(floor=None, target=5.0)).split() == ["x", "50", "–", "u", "–", "≥", "5", "met"]


def test_a_quantile_is_a_sample() -> None:
    samples = [float(n) for n in range(1, 101)]
    assert (quantile(samples, 0.95), quantile(samples, 1.0), quantile([7.0], 0.5)) == (95.0, 100.0, 7.0)
    with pytest.raises(ValueError, match="no samples"):
        quantile([], 0.5)


def test_a_steady_rate_leaves_both_ends_out() -> None:
    slow_begin, steady, slow_end = [0.0, 5.0], [10.0 + n / 4 for n in range(9)], [20.0, 30.0]
    assert steady_rate([*slow_end, *slow_begin, *steady], 2) == 4.0
    with pytest.raises(ValueError, match="too few"):
        steady_rate(steady, 4)


@pytest.mark.benchmarks
@pytest.mark.process
@pytest.mark.parametrize("name", runner.NAMES)
async def test_every_benchmark_runs(name: str) -> None:
    await runs(name)


@pytest.mark.benchmarks
@pytest.mark.usefixtures("kafka_program")
@pytest.mark.parametrize("name", runner.OVER_KAFKA)
async def test_every_benchmark_over_kafka_runs(name: str) -> None:
    await runs(name)


async def runs(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    figures = await module.measure(module.TINY)
    assert figures
    assert all(figure.ours > 0 and (figure.floor is None or figure.floor > 0) for figure in figures)
