"""One file for each experiment: what it breaks, how, and what that proves. A new one is a file here."""

import importlib
import pkgutil

from tests.chaos.scene import Experiment


def _found() -> list[Experiment]:
    """In the order of their numbers."""
    names = [each.name for each in pkgutil.iter_modules(__path__)]
    modules = [importlib.import_module(f"{__name__}.{name}") for name in sorted(names)]
    return [module.EXPERIMENT for module in modules]


EXPERIMENTS = _found()


def find_experiment(name: str) -> Experiment:
    for experiment in EXPERIMENTS:
        if experiment.name == name.upper():
            return experiment
    known = ", ".join(each.name for each in EXPERIMENTS)
    raise SystemExit(f"There is no experiment {name!r}: {known}.")
