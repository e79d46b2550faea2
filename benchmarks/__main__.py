"""Benchmarks that print a table, one after the other: `python -m benchmarks [name …]`.

By themselves run the whole year (`python -m benchmarks.year`) and the pictures (`make pictures`).
"""

import platform
import runpy
import sys

NAMES = ("delivery", "disclosure", "england", "privacy", "pseudonymisation", "policies", "audit", "pages")

if __name__ == "__main__":
    wanted = sys.argv[1:] or list(NAMES)
    sys.argv = sys.argv[:1]
    print(f"Python {platform.python_version()} on {platform.machine()}, {platform.system()} {platform.release()}\n")
    for name in wanted:
        print(f"## {name}\n")
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        print()
