"""What a model learns from: layouts on disk, splits, pictures as tensors, changes made to them."""
