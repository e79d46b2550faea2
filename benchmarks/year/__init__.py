"""One school year of the whole country, through the real doors: `python -m benchmarks.year --help`."""
