"""What the gateway costs and delivers, measured: `python -m benchmarks` prints one table per room."""
