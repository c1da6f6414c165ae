"""The upstream refuses, hangs, dies in mid-stream, and lies about what it used."""

from tests.chaos.load.crowd import Size
from tests.chaos.scene import Experiment, nothing

EXPERIMENT = Experiment(
    name="E14",
    title="upstream: 500, hang, death in mid-stream, garbage, zero and huge usage",
    nemesis=nothing,
    size=Size(lies=0.3, hangs=0.15, sells=False),
    seconds=25,
    shown_by="another amount than was generated; tokens without cover",
)
