"""Methods that re-weight source rows (the survey's section 3.1)."""
