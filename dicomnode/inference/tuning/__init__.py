"""Which way a bundle's network computes fastest on a device, and whether its answers stay the same."""
