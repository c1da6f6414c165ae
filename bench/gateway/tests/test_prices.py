"""A price is what is saved without it, whatever the machine's speed."""

import os
import subprocess
import sys

import pytest

from bench.gateway.prices import GUARANTEES, SWITCHES, WHOLE, Prices
from bench.gateway.system import ROOT


def test_a_price_is_the_share_that_is_saved_in_the_median() -> None:
    prices = Prices()
    for each in (WHOLE, *GUARANTEES):
        loops = 0.3 if each == "reserve" else 0.4
        for noise in (0.0, 0.01, 5.0):
            prices.add(each, loops=loops + noise, alone_ms=2 * loops)
    assert prices.share("reserve") == pytest.approx(1 - 0.31 / 0.41)
    assert prices.alone_ms("settle") == pytest.approx(0.8)
    assert "| 24 % | 0.20 |" in prices.table()


@pytest.mark.parametrize("name", GUARANTEES)
def test_there_is_a_switch_for_each_that_takes_something_out(name: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SWITCHES), "PROMPTLY_BENCH_WITHOUT": name}
    code = "import sys; print(sorted(m for m in sys.modules if m.startswith(('shared.', 'services.'))))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip() != "[]"
