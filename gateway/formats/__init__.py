"""Files in and out: CSV, XLSX, JSON and Parquet."""
