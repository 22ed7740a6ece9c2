"""Face recognition networks, which measure whether a reconstruction shows the same person.

`model_ir_se50.pth` is ArcFace with squeeze-excite, `CurricularFace_Backbone.pth` is deeper and without
(reference, sections 2.1, 6 and 8).
"""

from __future__ import annotations

import torch

from desktop_app.engine.metrics.identity import NETWORKS
from desktop_app.engine.weights.converted import Converted, check_fit, shapes_of
from desktop_app.engine.weights.import_values import LazyTensor, Made
from desktop_app.engine.weights.recognise import Recognised

_GATE = "body.0.res_layer.5.fc1.weight"
_TAGS = {"ir_se50_112": "ir_se50", "ir_101_112": "ir_101"}
_COUNTERS = ".num_batches_tracked"


def convert_recognition(found: Recognised) -> Converted:
    """A face recognition network.

    Raises:
        ImportRefused: The tensors do not fit.
    """
    architecture = "ir_se50_112" if _GATE in found.tensors else "ir_101_112"
    build, title = NETWORKS[architecture]
    shapes = shapes_of(build)
    tensors: dict[str, LazyTensor] = dict(found.tensors)
    for key in shapes:
        # Counters of training steps, which old PyTorch versions did not store; inference ignores them.
        if key.endswith(_COUNTERS) and key not in tensors:
            tensors[key] = Made((), lambda: torch.zeros((), dtype=torch.int64))
    check_fit(shapes, tensors, what=title)
    return Converted(
        role="metric",
        architecture=architecture,
        stem=title.lower(),
        tag=_TAGS[architecture],
        title=f"{title}: tells whether a reconstruction shows the same person",
        config={"input_px": 112, "embedding_size": shapes["output_layer.3.weight"][0]},
        tensors=tensors,
        facts={"method": title},
        notes=("Used to measure reconstructions only; the program identifies nobody.",),
    )
