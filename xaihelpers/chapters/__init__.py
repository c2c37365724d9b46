"""The chapters as files and as runs."""
