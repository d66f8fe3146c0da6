"""What searches cost on a large archive, measured as its clients see it."""
