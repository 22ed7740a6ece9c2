"""The latent discriminator of e4e training: is a style row a mapped one? (reference, section 6)."""

from __future__ import annotations

from torch import Tensor, nn

LEAK = 0.2
HIDDEN_LAYERS = 3


class LatentDiscriminator(nn.Module):
    """Plain linear layers D -> D -> D -> D -> 1 with leaky ReLU; keys `mlp.{0,2,4,6}`.

    Source: e4e (Tov et al., 2021), after Nitzan et al., 2020.

    Args:
        style_dim: Size D of a style row.
        n_mlp: Hidden layers.
    """

    def __init__(self, style_dim: int = 512, *, n_mlp: int = HIDDEN_LAYERS) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for _ in range(n_mlp):
            layers += [nn.Linear(style_dim, style_dim), nn.LeakyReLU(LEAK)]
        self.mlp = nn.Sequential(*layers, nn.Linear(style_dim, 1))

    def forward(self, w: Tensor) -> Tensor:
        """Style rows (B, D) -> logits (B, 1); higher: more like the mapping network's own."""
        logits: Tensor = self.mlp(w)
        return logits
