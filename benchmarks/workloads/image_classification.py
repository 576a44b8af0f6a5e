"""Image classification: a small convolutional network on colour images, with PyTorch on the CPU.

Like the paper's TorchGPU: 27 cells, 1,090 MB of data, 716 s there; fewer steps of training here. The state
grows as in such notebooks: raw images, normalised ones, a training and a validation copy, features, the best
weights of each epoch. The small validation set and its loader are views of the validation images. One thread, so
that sums come in the same order at every run.
"""

# %% parameters
SCALE = 1.0

# %%
import copy
import math
import time

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.metrics import classification_report, confusion_matrix
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

# %%
SEED = 7
torch.manual_seed(SEED)
torch.set_num_threads(1)
rng = np.random.default_rng(SEED)
device = torch.device("cpu")
print(torch.__version__, device)

# %%
N_IMAGES = max(900, int(36_000 * SCALE))
CLASSES = ["disc", "cross", "ring", "stripes", "checker", "bars", "corner", "gradient", "dots", "frame"]
SIDE = 32


# %%
def prototypes(side):
    """One grey picture for each class, in [0, 1]."""
    y, x = np.mgrid[0:side, 0:side] / (side - 1) - 0.5
    r = np.hypot(x, y)
    shapes = [
        r < 0.3,
        (abs(x) < 0.1) | (abs(y) < 0.1),
        abs(r - 0.3) < 0.08,
        np.sin(12 * (x + y)) > 0,
        (np.sin(14 * x) > 0) ^ (np.sin(14 * y) > 0),
        np.sin(18 * x) > 0,
        (x < 0) & (y < 0),
        x + 0.5,
        (np.sin(25 * x) > 0.3) & (np.sin(25 * y) > 0.3),
        np.maximum(abs(x), abs(y)) > 0.38,
    ]
    return np.stack([np.asarray(s, dtype="float32") for s in shapes])


# %%
patterns = prototypes(SIDE)
fig_patterns, axes = plt.subplots(1, 10, figsize=(12, 1.6))
for ax, picture, name in zip(axes, patterns, CLASSES, strict=True):
    ax.imshow(picture, cmap="gray")
    ax.set(title=name, xticks=[], yticks=[])

# %% long deterministic
# The raw data: colours, contrast and noise differ from image to image
labels = rng.integers(0, len(CLASSES), N_IMAGES)
colours = rng.uniform(4, 60, (N_IMAGES, 3, 1, 1)).astype("float32")
images = rng.integers(0, 180, (N_IMAGES, 3, SIDE, SIDE), dtype="uint8")
for start in range(0, N_IMAGES, 500):
    part = slice(start, start + 500)
    moved = np.roll(patterns, rng.integers(-9, 10, 2), axis=(1, 2))
    images[part] += (moved[labels[part], None] * colours[part]).astype("uint8")
images.shape, f"{images.nbytes / 1e6:.0f} MB"

# %%
pd.Series(labels).map(dict(enumerate(CLASSES))).value_counts()

# %% deterministic
x = torch.from_numpy(images).float().div_(255)
y = torch.from_numpy(labels)
x.shape, x.dtype

# %% deterministic
mean, std = x.mean(dim=(0, 2, 3)), x.std(dim=(0, 2, 3))
# Normalised in place
x.sub_(mean[None, :, None, None]).div_(std[None, :, None, None])
x[:1000].mean().item(), x[:1000].std().item()

# %% deterministic
# 70 % to train with, 20 % to validate, and the rest to test at the end
order = torch.randperm(N_IMAGES, generator=torch.Generator().manual_seed(SEED))
n_train, n_valid = int(0.7 * N_IMAGES), int(0.2 * N_IMAGES)
x_train, y_train = x[order[:n_train]], y[order[:n_train]]
x_valid, y_valid = x[order[n_train : n_train + n_valid]], y[order[n_train : n_train + n_valid]]
x_test, y_test = x[order[n_train + n_valid :]], y[order[n_train + n_valid :]]
len(x_train), len(x_valid), len(x_test)

# %%
meta = pd.DataFrame({"label": labels, "name": np.array(CLASSES)[labels], "brightness": images.mean(axis=(1, 2, 3))})
meta["part"] = "test"
meta.loc[order[:n_train].numpy(), "part"] = "train"
meta.loc[order[n_train : n_train + n_valid].numpy(), "part"] = "valid"
meta.groupby(["part", "name"]).size().unstack().head()

# %% undo
meta["bright"] = meta["brightness"] > meta["brightness"].median()
meta.pop("brightness")
meta.head()

# %% undo
fig_samples, axes = plt.subplots(3, 8, figsize=(10, 4))
for ax, i in zip(axes.flat, rng.integers(0, N_IMAGES, 24), strict=True):
    ax.imshow(images[i].transpose(1, 2, 0))
    ax.set(title=CLASSES[labels[i]], xticks=[], yticks=[])
fig_samples.tight_layout()


# %%
class SmallNet(nn.Module):
    """Three convolutions, each halving the side, and a linear layer."""

    def __init__(self, width, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 3, stride=2, padding=1),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1),
            nn.ReLU(),
        )
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(4 * width * (SIDE // 8) ** 2, classes)

    def forward(self, x):
        return self.head(self.dropout(self.features(x).flatten(1)))


model = SmallNet(8, len(CLASSES)).to(device)
sum(p.numel() for p in model.parameters())

# %%
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.6)
small_valid = TensorDataset(x_valid[:2000], y_valid[:2000])
valid_loader = DataLoader(small_valid, batch_size=500)
history = []
best = {"accuracy": 0.0, "weights": None}


# %%
def batches(x, y, size, generator):
    """Shuffled batches of the training data, mirrored at random."""
    for rows in torch.randperm(len(x), generator=generator).split(size):
        batch = x[rows]
        if torch.rand(1, generator=generator).item() < 0.5:
            batch = batch.flip(3)
        yield batch, y[rows]


@torch.no_grad()
def evaluate(model, loader):
    """Its loss and accuracy."""
    model.eval()
    loss = right = seen = 0
    for batch, truth in loader:
        scores = model(batch)
        loss += F.cross_entropy(scores, truth, reduction="sum").item()
        right += (scores.argmax(1) == truth).sum().item()
        seen += len(truth)
    return loss / seen, right / seen


def train_epoch(model, optimizer, epoch, x, y, loader):
    """One pass; remembers the mean loss of every tenth batch, and the best weights."""
    model.train()
    generator = torch.Generator().manual_seed(SEED + epoch)
    for step, (batch, truth) in enumerate(batches(x, y, 192, generator)):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(batch), truth)
        loss.backward()
        optimizer.step()
        if step % 10 == 0:
            history.append({"epoch": epoch, "step": step, "loss": loss.item()})
    valid_loss, accuracy = evaluate(model, loader)
    if accuracy > best["accuracy"]:
        best.update(accuracy=accuracy, weights=copy.deepcopy(model.state_dict()))
    print(f"epoch {epoch}: loss {valid_loss:.4f}, accuracy {accuracy:.3f}")


# %%
# Chance, before any training
evaluate(model, valid_loader), math.log(len(CLASSES))

# %% fork long
started = time.perf_counter()
train_epoch(model, optimizer, 0, x_train, y_train, valid_loader)
schedule.step()
print(f"{time.perf_counter() - started:.1f} s")

# %% long
for epoch in range(1, 3):
    train_epoch(model, optimizer, epoch, x_train, y_train, valid_loader)
    schedule.step()

# %%
curve = pd.DataFrame(history)
curve.groupby("epoch")["loss"].agg(["mean", "min", "last"]).round(4)

# %%
fig_curve, ax = plt.subplots(figsize=(7, 3))
ax.plot(curve["loss"].rolling(5, min_periods=1).mean())
ax.set(xlabel="every tenth batch", ylabel="loss", yscale="log")
fig_curve.tight_layout()

# %% deterministic
# What the network sees in the validation images
model.load_state_dict(best["weights"])
model.eval()
with torch.no_grad():
    embedded = torch.cat([model.features(part).flatten(1) for part in x_valid.split(500)])
    scores = model.head(embedded)
embedded.shape

# %%
predicted = scores.argmax(1)
matrix = pd.DataFrame(confusion_matrix(y_valid, predicted, labels=range(len(CLASSES))), CLASSES, CLASSES)
print(classification_report(y_valid, predicted, labels=range(len(CLASSES)), target_names=CLASSES, zero_division=0))

# %%
wrong = (predicted != y_valid).nonzero().flatten()
hardest = x_valid[wrong[:64]].clone()
matrix.loc[matrix.sum(axis=1) > matrix.to_numpy().diagonal()].head()

# %%
with torch.no_grad():
    filters = model.features[0].weight.clone()
    maps = model.features[:3](x_test[:64])
fig_filters, axes = plt.subplots(1, 8, figsize=(10, 1.5))
for ax, kernel in zip(axes, filters, strict=True):
    ax.imshow((kernel - kernel.min()).permute(1, 2, 0) / (kernel.max() - kernel.min()))
    ax.axis("off")

# %%
model.eval()
with torch.no_grad():
    test_accuracy = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"test accuracy {test_accuracy:.3f}, best of validation {best['accuracy']:.3f}")
