"""Computer vision with PyTorch: apart, since what there is of it for a PyTorch without CUDA is not on every index."""

from __future__ import annotations

from tests.matrix.entry import VISION, library

torchvision = library(VISION, "torchvision", "torchvision", "torch")

ENTRIES = (
    torchvision(
        "torchvision Compose",
        "from torchvision import transforms as T; x = T.Compose([T.Resize(4), T.ToTensor()])",
        "x.transforms.append(T.Normalize([0.5], [0.5]))",
        "str(x)",
    ),
    torchvision(
        "torchvision resnet18",
        "import torch, torchvision; torch.manual_seed(0); x = torchvision.models.resnet18(num_classes=3)",
        "x.eval()",
        "(x.training, float(x.fc.weight.sum()))",
        seconds=120,
    ),
    torchvision(
        "torchvision tv_tensors.Image",
        "import torch; from torchvision import tv_tensors; x = tv_tensors.Image(torch.zeros(3, 2, 2))",
        "x[0, 0, 0] = 1",
        "(x.tolist(), type(x).__name__)",
    ),
    torchvision(
        "torchvision FakeData",
        "from torchvision.datasets import FakeData; x = FakeData(2, (3, 4, 4), 2)",
        "x.num_classes = 3",
        "(len(x), x.num_classes, x[0][1] >= 0)",
    ),
    torchvision(
        "PIL.Image (depth, of floats)",
        "from PIL import Image; import numpy as np; x = Image.fromarray(np.linspace(0, 5, 12, dtype='f').reshape(3, 4))",
        "x.putpixel((0, 0), 2.5)",
        "(x.mode, x.tobytes())",
    ),
)
