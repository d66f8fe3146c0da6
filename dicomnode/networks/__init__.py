"""Network architectures, each a plain torch.nn.Module."""
