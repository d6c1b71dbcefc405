"""What this server's own histograms at /metrics counted between two moments."""

import urllib.error
import urllib.request
from math import inf

from msgspec import Struct
from prometheus_client.parser import text_string_to_metric_families

from bench.processes import Failed
from bench.servers import SECRET, Server


class Histogram(Struct, frozen=True):
    """How many values were not above each bound; the last bound is infinite."""

    counts: tuple[tuple[float, float], ...]

    def since(self, earlier: "Histogram") -> "Histogram":
        """Returns what was counted after an earlier reading of the same histogram."""
        before = dict(earlier.counts)
        return Histogram(tuple((bound, count - before.get(bound, 0.0)) for bound, count in self.counts))

    @property
    def total(self) -> float:
        """How many values were counted."""
        return self.counts[-1][1] if self.counts else 0.0

    def quantile(self, share: float) -> float:
        """Returns the value that this share of the values is not above; 0 of none.

        Within a bucket the values are taken as evenly spread, as Prometheus does. Of those beyond the last finite bound
        no more than that bound is known.
        """
        wanted, below, floor = share * self.total, 0.0, 0.0
        for bound, count in self.counts:
            if count >= wanted and count > below:
                return floor if bound == inf else floor + (bound - floor) * (wanted - below) / (count - below)
            below, floor = count, bound if bound != inf else floor
        return 0.0

    @property
    def largest(self) -> float:
        """The bound that no value was above: 0 when there was none. Of one beyond the last finite bound, that bound."""
        reached = 0.0
        for bound, count in self.counts if self.total else ():
            reached = bound if bound != inf else reached
            if count == self.total:
                break
        return reached


def read(server: Server) -> dict[str, Histogram]:
    """Returns the histograms by name, without `onlycare_`."""
    request = urllib.request.Request(f"{server.url}/metrics", headers={"X-Internal-Secret": SECRET})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            text = answer.read().decode()
    except urllib.error.URLError as error:
        raise Failed(f"/metrics could not be read: {error}") from None
    return {
        family.name.removeprefix("onlycare_"): Histogram(
            tuple(
                (float(sample.labels["le"]), sample.value)
                for sample in family.samples
                if sample.name.endswith("_bucket")
            )
        )
        for family in text_string_to_metric_families(text)
        if family.type == "histogram"
    }
