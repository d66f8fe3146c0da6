"""A study: what is known of it, its pictures, and what an operator can have done with it."""
