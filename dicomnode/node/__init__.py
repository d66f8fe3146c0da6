"""The node as a whole: reads the settings, builds the roles, starts and supervises them."""
