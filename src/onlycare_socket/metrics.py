"""What Prometheus reads at `/metrics`.

The hot path only adds to plain integers; they are read, named and formatted here, when somebody asks. Labels are words
of the server's own (events of the contract, codes, reasons), never a client's: their number is small and fixed. Each
metric is explained by its own help text.
"""

from collections.abc import Callable, Iterator, Mapping

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, GCCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from onlycare_socket.pauses import Buckets

Read = Callable[[], float]
ReadMany = Callable[[], Mapping[tuple[str, ...], float]]


class Metrics(Collector):
    """Names plain counters. Everything is registered once, at the start, by those who own the numbers."""

    def __init__(self) -> None:
        self._reads: list[Callable[[], Metric]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def gauge(self, name: str, says: str, read: Read) -> None:
        """Shows a number that goes up and down."""
        self._reads.append(lambda: GaugeMetricFamily(f"onlycare_{name}", says, value=read()))

    def counter(self, name: str, says: str, read: Read) -> None:
        """Shows a number that only grows; `_total` is added to its name."""
        self._reads.append(lambda: CounterMetricFamily(f"onlycare_{name}", says, value=read()))

    def counters(self, name: str, says: str, labels: tuple[str, ...], read: ReadMany) -> None:
        """Shows numbers that only grow, one for each combination of labels."""

        def collect() -> Metric:
            family = CounterMetricFamily(f"onlycare_{name}", says, labels=labels)
            for values, number in read().items():
                family.add_metric(values, number)
            return family

        self._reads.append(collect)

    def gauges(self, name: str, says: str, labels: tuple[str, ...], read: ReadMany) -> None:
        """Shows numbers that go up and down, one for each combination of labels."""

        def collect() -> Metric:
            family = GaugeMetricFamily(f"onlycare_{name}", says, labels=labels)
            for values, number in read().items():
                family.add_metric(values, number)
            return family

        self._reads.append(collect)

    def histogram(self, name: str, says: str, buckets: Buckets) -> None:
        """Shows how often something took how long."""
        self._reads.append(
            lambda: HistogramMetricFamily(f"onlycare_{name}", says, buckets=buckets.cumulative(), sum_value=buckets.sum)
        )

    def collect(self) -> Iterator[Metric]:
        """Reads everything now."""
        for read in self._reads:
            yield read()

    def page(self) -> tuple[bytes, str]:
        """Returns the text that Prometheus reads, and its content type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST


def by_word(numbers: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    """Returns numbers by one label."""
    return {(word,): number for word, number in numbers.items()}


def by_two_words(tables: Mapping[str, Mapping[str, float]]) -> dict[tuple[str, ...], float]:
    """Returns numbers by two labels."""
    return {(first, second): number for first, table in tables.items() for second, number in table.items()}
