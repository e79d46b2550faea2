"""The API under `/v1`, by the NL GOV API Design Rules, and what every response has."""
