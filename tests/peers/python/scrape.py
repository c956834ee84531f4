"""Scrapes a receiver and reads the answer with Prometheus's own Python parser.

Usage: scrape.py URL

Prints one line for each sample: its type, name, labels that are not of the target, and value.
"""

import sys
import urllib.request

from prometheus_client.parser import text_string_to_metric_families


def main():
    text = urllib.request.urlopen(sys.argv[1], timeout=10).read().decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = {
                key: value
                for key, value in sorted(sample.labels.items())
                if key not in ("job", "instance") and not key.startswith(("otel_scope", "telemetry"))
            }
            print(family.type, sample.name, labels, sample.value)


main()
