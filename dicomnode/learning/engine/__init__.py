"""How a model learns: the loop, its stages, optimisers, checkpoints, ranks and progress."""
