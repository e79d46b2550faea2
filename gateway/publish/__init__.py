"""One release: built once for all recipients, approved by another person, published, downloaded in slices.

The only place that hands out protected tables, and with `hold_own` the one function that hands a confidential table to
its own site.
"""
