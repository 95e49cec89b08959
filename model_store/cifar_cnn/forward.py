"""A small CIFAR-10 classifier: the forward pass for the checkpoint inside captum 0.8.0.

pixels [rows, 3, 32, 32], FP32: RGB images, each channel scaled to -1..1.
Answers `logits` [rows, 10]: one a class, in the order plane, car, bird, cat, deer, dog, frog,
horse, ship, truck.

The store serves 1/model.pt, a TorchScript archive that deploy/fetch-samples.sh exports from this
file and that checkpoint; editing this file changes nothing until the archive is made again.
"""
import torch
import torch.nn.functional as F


def forward(self, pixels: Tensor) -> Dict[str, Tensor]:
    x = torch.relu(torch.conv2d(pixels, self.conv1.weight, self.conv1.bias))
    x = torch.max_pool2d(x, [2, 2], [2, 2])
    x = torch.relu(torch.conv2d(x, self.conv2.weight, self.conv2.bias))
    x = torch.max_pool2d(x, [2, 2], [2, 2])
    # [rows, 16, 5, 5] -> [rows, 400]
    x = x.flatten(1)
    x = torch.relu(F.linear(x, self.fc1.weight, self.fc1.bias))
    x = torch.relu(F.linear(x, self.fc2.weight, self.fc2.bias))
    return {"logits": F.linear(x, self.fc3.weight, self.fc3.bias)}
