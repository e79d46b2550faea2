"""The law as text that is executed: Cedar rules, purposes, consent and the register of processing."""
