"""The audit log: entries nobody can rewrite, and that anybody can check. Importing the package loads nothing heavy."""
