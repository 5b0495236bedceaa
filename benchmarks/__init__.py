"""Each job of the project beside its naive baseline, timed in one run: `make bench`."""
