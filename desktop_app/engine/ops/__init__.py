"""Tensor operations of StyleGAN2 in plain PyTorch, without compiled extensions."""
