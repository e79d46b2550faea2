"""A region that does not exist: sites, gemeenten, SWVs, boards and pupils, calibrated on public statistics.

Names and codes are invented; the same seed gives the same region, byte for byte.
"""
