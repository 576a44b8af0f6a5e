"""Which store is whose, and on which disk it can lie."""
