"""What `acro` (an output checker of safe havens) hides of one table; run by an interpreter that has it installed.

Counts come in as CSV with the columns authority, school and sessions; out go authority, school and value, empty where
it was suppressed. `acro` counts records, so each session becomes one.
"""

import contextlib
import io
import sys

import pandas as pd

MINIMUM = 5


def main() -> None:
    """Expand, tabulate with suppression, write."""
    counts = pd.read_csv(sys.stdin, dtype={"authority": str})
    records = counts.loc[counts.index.repeat(counts["sessions"]), ["authority", "school"]]
    with contextlib.redirect_stdout(io.StringIO()):
        import acro  # noqa: PLC0415  prints a banner

        session = acro.ACRO(suppress=True)
        session.config["safe_threshold"] = MINIMUM
        table = session.crosstab(records["authority"], records["school"])
    table.reset_index().melt("authority", var_name="school").to_csv(sys.stdout, index=False)


if __name__ == "__main__":
    main()
