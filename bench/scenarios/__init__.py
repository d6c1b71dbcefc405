"""Every scenario of the benchmark, one file each, in the order in which they run."""

from typing import Final

from bench.scenario import Scenario
from bench.scenarios import cycles, growth, idle, presence, rejects, restart, storm, survival

SCENARIOS: Final[dict[str, Scenario]] = {
    module.SCENARIO.name: module.SCENARIO
    for module in (cycles, rejects, idle, storm, restart, survival, presence, growth)
}
