"""Learning-rate schedules: against PyTorch's and hand-made values, and their shapes."""

from __future__ import annotations

import math

import numpy as np
import pytest

from nndl.schedules import constant, cosine, one_cycle, step

SHARES = np.linspace(0, 1, 101)


def pytorchs(torch, make, count):
    """Return the learning rates that a scheduler gives at each of `count` steps and
    after the last."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = make(torch.optim.lr_scheduler, optimizer)
    rates = []
    for _ in range(count + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


# ---- against PyTorch -----------------------------------------------------------------


@pytest.mark.parametrize("final", [0, 0.1, 1])
def test_cosine_equals_pytorch(torch, final):
    theirs = pytorchs(
        torch, lambda s, o: s.CosineAnnealingLR(o, T_max=100, eta_min=final), 100
    )
    found = [cosine(s, final) for s in SHARES]
    np.testing.assert_allclose(found, theirs, rtol=0, atol=1e-12)


def test_step_equals_pytorch(torch):
    theirs = pytorchs(torch, lambda s, o: s.MultiStepLR(o, [30, 60, 80], 0.2), 100)
    found = [step(i / 100, (0.3, 0.6, 0.8), 0.2) for i in range(101)]
    np.testing.assert_allclose(found, theirs, rtol=1e-12)


def test_the_descent_of_one_cycle_equals_pytorch(torch):
    """PyTorch's warm-up is a cosine as well, and its last step stands for the end."""
    theirs = pytorchs(
        torch,
        lambda s, o: s.OneCycleLR(
            o, max_lr=1.0, total_steps=101, pct_start=0.3, final_div_factor=4.0,
            div_factor=5.0, cycle_momentum=False,
        ),
        99,
    )  # fmt: skip
    # Their rise ends one step before pct_start * total_steps.
    rise = (0.3 * 101 - 1) / 100
    found = [one_cycle(i / 100, rise, start=0.2, final=0.05) for i in range(100)]
    np.testing.assert_allclose(found[30:], theirs[30:], rtol=0, atol=1e-12)


# ---- by hand -------------------------------------------------------------------------


def test_constant_is_1():
    assert [constant(s) for s in (0, 0.5, 1)] == [1, 1, 1]


def test_step_drops_at_and_after_each_place():
    assert [step(s) for s in (0, 0.49, 0.5, 0.74)] == [1, 1, 0.1, 0.1]
    assert step(0.75) == step(1) == pytest.approx(0.01)
    assert step(1, ()) == 1
    assert step(1, [0.9, 0.2, 0.2], 0.5) == 0.125  # in any order, and twice
    assert step(0, np.array([0.0])) == pytest.approx(0.1)


def test_cosine_goes_from_1_to_its_final_share():
    assert cosine(0) == 1
    assert cosine(0.5) == pytest.approx(0.5, abs=1e-15)
    assert cosine(1 / 3) == pytest.approx(0.75)
    assert cosine(1) == 0
    assert cosine(1, 0.2) == 0.2
    assert cosine(0.5, 0.2) == pytest.approx(0.6)
    assert cosine(0.8) < 0.1 < cosine(0.79)


def test_one_cycle_rises_along_a_line_and_falls_along_the_cosine():
    assert [one_cycle(s) for s in (0, 0.125, 0.25)] == [0, 0.5, 1]
    assert one_cycle(0.625) == pytest.approx(0.5)
    assert one_cycle(1) == 0
    assert one_cycle(0.1, 0.2, start=0.5) == pytest.approx(0.75)
    assert one_cycle(1, final=0.3) == 0.3
    assert one_cycle(0, 0.5, start=0.04) == 0.04


# ---- properties ----------------------------------------------------------------------


def test_one_cycle_without_a_rise_is_the_cosine():
    for s in SHARES:
        assert one_cycle(s, rise=0, final=0.1) == cosine(s, 0.1)


@pytest.mark.parametrize("rise", [0.05, 0.3, 0.9])
def test_one_cycle_rises_then_falls_and_stays_from_0_to_1(rise):
    rates = np.array([one_cycle(s, rise) for s in np.linspace(0, 1, 1001)])
    top = math.floor(1000 * rise + 1e-9)
    assert (np.diff(rates[: top + 1]) > 0).all()
    assert (np.diff(rates[top + 1 :]) < 0).all()
    assert rates.min() == 0
    assert 0.99 < rates.max() <= 1


@pytest.mark.parametrize("rise", [0.1, 0.25, 1 / 3, 0.7, 0.999])
def test_one_cycle_does_not_jump_at_its_peak(rise):
    before, after = (one_cycle(s, rise) for s in (np.nextafter(rise, 0), rise))
    assert after == 1
    assert before == pytest.approx(1, abs=1e-12)


def test_cosine_is_flat_at_both_ends_and_symmetric():
    assert 1 - cosine(1e-4) < 1e-7
    assert cosine(1 - 1e-4) < 1e-7
    for s in SHARES:
        assert cosine(s) + cosine(1 - s) == pytest.approx(1)


@pytest.mark.parametrize("schedule", [constant, step, cosine, one_cycle])
def test_a_schedule_returns_a_python_float_for_any_number(schedule):
    for s in (0, 1, 0.5, np.float32(0.5), np.float64(0.5), np.array(0.5)):
        assert type(schedule(s)) is float


@pytest.mark.parametrize("schedule", [constant, step, cosine, one_cycle])
@pytest.mark.parametrize(
    ("s", "kind"),
    [(-1e-9, ValueError), (1.01, ValueError), (math.nan, ValueError), ("a", TypeError)],
)
def test_a_share_outside_0_to_1_is_refused_by_name(schedule, s, kind):
    with pytest.raises(kind, match="`s` must be"):
        schedule(s)
