"""What did a cell change? First what it may have touched, then which of that really differs."""
